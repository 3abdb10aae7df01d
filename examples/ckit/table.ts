/** Lines whose cells stand below one another, two spaces apart; what would break a line, or steer a terminal, is a space. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const table = rows.map((row) =>
    row.map((cell) => cell.replaceAll(/\p{Cc}+/gu, " "))
  );
  const widths: number[] = [];
  for (const row of table) {
    row.forEach((cell, at) =>
      widths[at] = Math.max(widths[at] ?? 0, cell.length)
    );
  }
  return table.map((row) =>
    row.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd()
  );
}

import { assert, assertEquals } from "@std/assert";
import { runProgram } from "./run_program.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** What is read of the output of `deno doc --json`. */
interface Documented {
  readonly nodes: Readonly<Record<string, { symbols?: readonly Exported[] }>>;
}
interface Exported {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}
interface Declaration {
  readonly kind: string;
  readonly location: { readonly filename: string };
  readonly jsDoc?: Comment;
  readonly def?: {
    readonly params?: readonly unknown[];
    readonly returnType?: unknown;
  };
}
interface Comment {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string }[];
}

/** What the comment of a function or class lacks. */
function lacks({ kind, jsDoc = {}, def = {} }: Declaration): string[] {
  const { doc, tags = [] } = jsDoc;
  const has = (tag: string) => tags.some((other) => other.kind === tag);
  const found: string[] = [];
  if (kind === "reference") return found; // It has its comment where it is made.
  if (!doc) found.push("a sentence");
  if (kind !== "function" && kind !== "class") return found;
  if (!has("example")) found.push("an example");
  if (kind === "class") return found;
  const params = tags.filter((tag) => tag.kind === "param").length;
  if (params !== (def.params?.length ?? 0)) found.push("a parameter");
  const isVoid = /"repr":"(void|never)"/.test(JSON.stringify(def.returnType));
  if (!isVoid && !has("return")) found.push("what it returns");
  return found;
}

/** A tag within a line is text to whoever shows it. */
const INLINE_TAG_REGEXP =
  /"doc":"(?:[^"\\]|\\.)*\S @(?:default|param|returns|see|throws)\b/;

Deno.test("every export has a sentence, its parameters, what it returns and an example", async () => {
  const { workspace } = JSON.parse(
    await Deno.readTextFile(`${ROOT}deno.json`),
  );
  const entries = workspace.flatMap((folder: string) => {
    const { exports, version } = JSON.parse(
      Deno.readTextFileSync(`${ROOT}${folder}/deno.json`),
    );
    if (version === undefined || folder.startsWith("./examples/")) return [];
    return Object.values(exports).map((path) => `${folder}/${path}`);
  });
  const { nodes }: Documented = JSON.parse(
    await runProgram(Deno.execPath(), ["doc", "--json", ...entries], {
      cwd: ROOT,
    }),
  );
  const symbols = Object.values(nodes).flatMap(({ symbols = [] }) => symbols);
  assert(symbols.length > 500);
  const wrong = symbols.flatMap(({ name, declarations }) =>
    declarations.flatMap((declaration) => {
      const path = declaration.location.filename.slice(`file://${ROOT}`.length);
      const missing = lacks(declaration);
      if (INLINE_TAG_REGEXP.test(JSON.stringify(declaration))) {
        missing.push("a line of its own for a tag");
      }
      return missing.map((what) => `${path}: ${name} lacks ${what}`);
    })
  );
  assertEquals(wrong, []);
});

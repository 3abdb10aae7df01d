/** Merges scopes such as `repository:app:pull` by resource, sorted, so that equal rights have one name. */
export function mergeScopes(scopes: readonly string[]): string[] {
  const resources = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const end = scope.lastIndexOf(":") + 1;
    // Some ask for a scope that is one word and names no actions.
    const resource = end === 0 ? scope : scope.slice(0, end);
    const actions = resources.get(resource) ?? new Set();
    for (const action of scope.slice(resource.length).split(",")) {
      if (action !== "") actions.add(action);
    }
    resources.set(resource, actions);
  }
  // Some servers read the first scope only: the one with the most rights comes first.
  return [...resources]
    .toSorted(([nameA, a], [nameB, b]) =>
      b.size - a.size || (nameA < nameB ? -1 : 1)
    )
    .map(([resource, actions]) => resource + [...actions].toSorted().join(","));
}

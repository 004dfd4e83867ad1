/** What a caller of the API may do: `admin` everything, `editor` all but users and the mesh's own settings, `viewer` read. */
export type Role = "admin" | "editor" | "viewer";

export const ROLES: readonly Role[] = ["admin", "editor", "viewer"];

/** Who sent a request, proved. */
export interface Principal {
  /** Of the User; HOME_NAME for who holds the token of the mesh's home. */
  readonly name: string;
  /** `system:authenticated`, and `weft:` with the role. */
  readonly groups: readonly string[];
  readonly role: Role;
  /** Null: all, and what is in none. */
  readonly namespaces: readonly string[] | null;
  /** "home": by the token in the mesh's home; it is there before any user is. */
  readonly how: "home" | "token" | "certificate" | "none";
}

/** No User can have this name: it is no DNS name. */
export const HOME_NAME = "weft:home";

export function createPrincipal(fields: Omit<Principal, "groups">): Principal {
  return { ...fields, groups: ["system:authenticated", `weft:${fields.role}`] };
}

/** Who started the mesh. */
export const HOME_PRINCIPAL: Principal = createPrincipal({
  name: HOME_NAME,
  role: "admin",
  namespaces: null,
  how: "home",
});

/** Whoever calls an open route. */
export const NOBODY: Principal = {
  name: "system:anonymous",
  groups: ["system:unauthenticated"],
  role: "viewer",
  namespaces: [],
  how: "none",
};

export function maySee({ namespaces }: Principal, namespace: string): boolean {
  return namespaces === null || namespaces.includes(namespace);
}

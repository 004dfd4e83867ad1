/** Kubernetes' words for what is done to a resource. */
export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/**
 * Who may call a route. "open": anybody, without credentials: health alone. "authenticated": whoever proved who they
 * are, whatever their role: what kinds there are, and what they themselves may do. Else: whose role allows this verb on
 * this resource; it is checked in one place, before the route is called.
 */
export type RouteAccess = "open" | "authenticated" | ResourceAccess;

export interface ResourceAccess {
  /** "list" becomes "watch" where the query asks for that. */
  readonly verb: Verb;
  /** "path": the parameters `group`, `plural`, `namespace` and `name` of the path say. Else a plural of the group weft.dev. */
  readonly resource: string;
  /** Default: of the path, or weft.dev. */
  readonly group?: string;
  /** e.g. "status". */
  readonly subresource?: string;
  /**
   * Where the namespace stands; default "path", none there being all namespaces. "body": its field `namespace`.
   * "filtered": the route itself leaves out what the principal may not see.
   */
  readonly namespaceIn?: "path" | "body" | "filtered";
}

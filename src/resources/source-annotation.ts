/** Where a resource was written, as "path:line": put there by `weft apply` and `weft up`, shown by explanations, used by nothing else. */
export const SOURCE_ANNOTATION = "weft.dev/source";

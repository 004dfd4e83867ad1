/** weft's version, as in package.json (a rules test holds them equal). */
export const WEFT_VERSION = "0.1.0";

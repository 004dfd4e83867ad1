// How many stars each reader gave. Only reviews may ask (policies/ratings-access.yaml).
import { serve } from "./service.mjs";

const STARS = {
  1: { Nora: 5, Emil: 4 },
  2: { Judit: 5, Paul: 3 },
  3: { Sade: 4, Ben: 4 },
  4: { Astrid: 5, Yusuf: 5 },
  5: { Lena: 4, Owen: 5 },
  6: { Priya: 5, Marc: 3 },
};

serve([[/^\/ratings\/(\d+)$/, ([id]) => (STARS[id] === undefined ? null : { id, stars: STARS[id] })]]);

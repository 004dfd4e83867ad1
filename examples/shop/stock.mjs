// How many of each book lie on the shelf.
import { serve } from "./service.mjs";

const SHELF = new Map([
  ["1", 12],
  ["2", 3],
  ["3", 0],
  ["4", 41],
  ["5", 7],
  ["6", 1],
]);

serve([
  [/^\/stock$/, () => Object.fromEntries(SHELF)],
  [/^\/stock\/(\d+)$/, ([id]) => (SHELF.has(id) ? { id, count: SHELF.get(id) } : null)],
]);

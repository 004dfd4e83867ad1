import type { Random } from "../../random/random.ts";
import type { Store } from "../../store/store.ts";
import type { Clock } from "../../time/clock.ts";
import type { WatchLimiter } from "../watch-stream.ts";
import type { ListPages } from "./list-pages.ts";

/** What every verb of the resource API works with. */
export interface RestContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly watches: WatchLimiter;
  readonly pages: ListPages;
}

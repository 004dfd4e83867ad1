import { FakeClock } from "../../testing/fake-clock.ts";
import { formatHttpDate } from "./http-date.ts";

/** An HTTP-date so many seconds after the time at which a fake clock starts. */
export function at(seconds: number): string {
  return formatHttpDate(new FakeClock().wallMs() + seconds * 1_000);
}

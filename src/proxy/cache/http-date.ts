import { TextMemo } from "../../lib/text-memo.ts";
import { toDate } from "../../time/wall-time.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MS = 86_400_000;

const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const RFC_850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/;
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

/** Milliseconds since the epoch of an HTTP-date in any of its three forms (RFC 9110 §5.6.7); NaN for anything else. */
export function parseHttpDate(text: string, nowWallMs: number): number {
  const fixed = fixdates.of(text);
  if (!Number.isNaN(fixed)) return fixed;
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) return toWallMs(asctime[6], asctime[1], asctime[2], [asctime[3], asctime[4], asctime[5]]);
  const old = RFC_850.exec(text);
  if (old === null) return NaN;
  return toWallMs(toFullYear(Number(old[3]), nowWallMs), old[2], old[1], [old[4], old[5], old[6]]);
}

/** Responses of one second have one date. */
const fixdates: TextMemo<number> = new TextMemo(64, (text) => {
  const imf = IMF_FIXDATE.exec(text);
  return imf === null ? NaN : toWallMs(imf[3], imf[2], imf[1], [imf[4], imf[5], imf[6]]);
});

/** As Date and Last-Modified have it: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function formatHttpDate(wallMs: number): string {
  return toDate(wallMs).toUTCString();
}

/** Two digits that would be more than 50 years ahead are of the last century. */
function toFullYear(digits: number, nowWallMs: number): string {
  const thisYear = toDate(nowWallMs).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + digits;
  return String(year > thisYear + 50 ? year - 100 : year);
}

type Digits = string | undefined;

function toWallMs(year: Digits, month: Digits, day: Digits, time: readonly [Digits, Digits, Digits]): number {
  const monthIndex = MONTHS.indexOf(month ?? "");
  const [hours, minutes, seconds] = [Number(time[0]), Number(time[1]), Number(time[2])];
  const dayOfMonth = Number(day);
  // 60 is a leap second.
  if (monthIndex < 0 || hours > 23 || minutes > 59 || seconds > 60) return NaN;
  if (dayOfMonth < 1 || dayOfMonth > daysIn(Number(year), monthIndex)) return NaN;
  const days = daysBefore(Number(year), monthIndex) + dayOfMonth - 1;
  return days * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysIn(year: number, monthIndex: number): number {
  if (monthIndex === 1) return isLeap(year) ? 29 : 28;
  return monthIndex === 3 || monthIndex === 5 || monthIndex === 8 || monthIndex === 10 ? 30 : 31;
}

/** Days from 1970-01-01 to the first of the month. */
function daysBefore(year: number, monthIndex: number): number {
  const past = year - 1;
  let days = past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) - 719_162;
  for (let month = 0; month < monthIndex; month += 1) days += daysIn(year, month);
  return days;
}

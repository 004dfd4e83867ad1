// What the shop sells.
import { serve } from "./service.mjs";

const BOOKS = [
  {
    id: "1",
    title: "A Thread Across the Sea",
    author: "Ines Calloway",
    price: 18.5,
    hue: 205,
    weave: 14,
    year: 2019,
    text: "A net maker's daughter follows one length of rope from a harbour in the north to the far side of the world. A novel about what holds, and what is let go.",
  },
  {
    id: "2",
    title: "The Patient Loom",
    author: "Tomas Verhaegen",
    price: 32,
    hue: 28,
    weave: 20,
    year: 2016,
    text: "How cloth is made, from the first warp to the last selvedge, by a weaver who taught for forty years. With sixty drafts to try and the mistakes that taught him most.",
  },
  {
    id: "3",
    title: "Indigo",
    author: "Mariam Osei",
    price: 24,
    hue: 238,
    weave: 10,
    year: 2021,
    text: "The colour that emptied treasuries and filled ships: a history of one dye, the hands that stirred it and the fields it grew in.",
  },
  {
    id: "4",
    title: "Knots for Clear Days",
    author: "Henrik Solberg",
    price: 12.9,
    hue: 165,
    weave: 26,
    year: 2012,
    text: "Ninety knots, each on a page of its own, with a sentence on when it will fail you. The small book sailors buy twice because the first copy got wet.",
  },
  {
    id: "5",
    title: "What the Moth Left",
    author: "Clara Weiss",
    price: 16,
    hue: 340,
    weave: 16,
    year: 2023,
    text: "Eleven stories about mending: a coat, a marriage, a bridge, a radio. Each begins with a hole and none ends with the same cloth.",
  },
  {
    id: "6",
    title: "Silk Arithmetic",
    author: "Wen Jialin",
    price: 27.4,
    hue: 52,
    weave: 8,
    year: 2018,
    text: "Counting threads was counting before there were numerals. A mathematician's tour of patterns that repeat, patterns that almost do, and the looms that computed both.",
  },
];

serve([
  [/^\/books$/, () => BOOKS],
  [/^\/books\/(\d+)$/, ([id]) => BOOKS.find((book) => book.id === id) ?? null],
]);

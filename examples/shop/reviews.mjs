// What readers say. With STARS=yes (version v2) it also asks `ratings` how many stars they gave.
import { call, serve } from "./service.mjs";

const REVIEWS = {
  1: [
    { by: "Nora", text: "I missed my stop twice, and the second time on purpose." },
    { by: "Emil", text: "The chapter in the rope walk is worth the price alone." },
  ],
  2: [
    { by: "Judit", text: "Clear, kind and exact. My third scarf finally has straight edges." },
    { by: "Paul", text: "It assumes that you own a loom. I do now." },
  ],
  3: [
    { by: "Sade", text: "I will never look at a pair of jeans in the same way." },
    { by: "Ben", text: "Thorough on trade, a little short on chemistry." },
  ],
  4: [
    { by: "Astrid", text: "Lives in the cockpit. It has been overboard and back." },
    { by: "Yusuf", text: "Knot 34 held. Enough said." },
  ],
  5: [
    { by: "Lena", text: "The radio story made me call my brother." },
    { by: "Owen", text: "Quiet, and then not at all." },
  ],
  6: [
    { by: "Priya", text: "Read it with paper and pencil beside you." },
    { by: "Marc", text: "Chapter six lost me, chapter seven found me again." },
  ],
};

const version = process.env.WEFT_VERSION || "v1";
const hasStars = process.env.STARS === "yes";

serve([[/^\/reviews\/(\d+)$/, ([id], incoming) => answer(id, incoming)]]);

async function answer(id, incoming) {
  const reviews = REVIEWS[id];
  if (reviews === undefined) return null;
  if (!hasStars) return { version, reviews };
  const stars = await readStars(id, incoming);
  return {
    version,
    starsKnown: stars !== null,
    reviews: reviews.map((review) => ({ ...review, stars: stars?.[review.by] ?? null })),
  };
}

/** Reviews without stars are better than no reviews: null when ratings does not answer. */
async function readStars(id, incoming) {
  try {
    const { status, json } = await call(`http://ratings/ratings/${id}`, incoming);
    return status === 200 ? json.stars : null;
  } catch (error) {
    console.error(`ratings did not answer: ${error.message}`);
    return null;
  }
}

// A recording's own ratings of its trials. Each is one for a whole trial, given by the person
// after it; it is no estimate, and is never drawn like one.

export const RATING_NAME = "rating of the recording, one for the whole trial";

// Of the self-assessment manikins, as in DEAP; 5 is the middle.
const LOWEST = 1;
const HIGHEST = 9;

/** The rated markers as {time, arousal, valence}, 0 to 1, oldest first; others are left out. */
export function ratingsOf(headset) {
  return (headset?.markers ?? [])
    .map(({ time, ratings }) => ({
      time,
      arousal: share(ratings?.arousal),
      valence: share(ratings?.valence),
    }))
    .filter(({ arousal, valence }) => isShare(arousal) && isShare(valence))
    .sort((one, other) => one.time - other.time);
}

/** Back to the scale on which it was given. */
export const onScale = (value) => (LOWEST + value * (HIGHEST - LOWEST)).toFixed(1);

const share = (rating) => (rating - LOWEST) / (HIGHEST - LOWEST);

const isShare = (value) => value >= 0 && value <= 1;

// Formats the numbers of the status page.

/** 1234567 as "1,234,567". */
export function count(number) {
  return Math.round(number).toLocaleString("en");
}

/** A rate as "0.25", "4.1", "5" or "128". */
export function decimal(number) {
  if (Number.isInteger(number) || number >= 99.95) return count(number);
  return number.toFixed(number < 0.995 ? 2 : 1);
}

/** Seconds as "14 s", "3 min", "5 h 2 min" or "12 d 3 h". */
export function span(seconds) {
  const [s, min, h] = [1, 60, 3600].map((unit) => Math.floor(seconds / unit));
  if (s < 60) return `${s} s`;
  if (min < 60) return `${min} min`;
  if (h < 48) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** "1 worker", "2 workers". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

// Formats numbers and labels.

/** 0.9589 as "95.9 %". */
export function percent(share) {
  return share > 0 && share < 0.0005 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}

/** A label with spaces instead of underscores. */
export function plain(label) {
  return label.replaceAll("_", " ");
}

/** Milliseconds as "4.1 ms", "31 ms" or "1.20 s". */
export function duration(ms) {
  if (ms >= 999.5) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`;
}

/** Whole seconds as "4 s" or "2 min 5 s". */
export function wait(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** A number of bytes as "127 KiB" or "10.0 MiB". */
export function bytes(count) {
  return count < 2 ** 20 ? `${Math.ceil(count / 1024)} KiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const two = (value: number): string => String(value).padStart(2, "0");

/** ` 5 Nov 12:30`, local time. */
export function dayAndTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  return `${String(date.getDate()).padStart(2)} ${MONTHS[date.getMonth()]} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `Thu Nov  5 12:30:00 2026`, local time. */
export function longTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const day = "Sun Mon Tue Wed Thu Fri Sat".split(" ")[date.getDay()];
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${time} ${date.getFullYear()}`;
}

/** `1:02:03` */
export function clockTime(seconds: number): string {
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** `05nov26 12:30`, local time. */
export function shortTime(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1000);
  const day = `${two(date.getDate())}${MONTHS[date.getMonth()]!.toLowerCase()}${two(date.getFullYear() % 100)}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

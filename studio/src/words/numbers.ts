/** Numbers and times as a person reads them, by locale. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in decimal units with three digits: 98.4 MB, 1.12 GB. */
export function size(bytes: number, tag: string): string {
  let unit = 0;
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${new Intl.NumberFormat(tag, { maximumSignificantDigits: 3 }).format(bytes)} ${UNITS[unit]}`;
}

export function number(value: number, tag: string, digits = 0): string {
  return new Intl.NumberFormat(tag, { maximumFractionDigits: digits }).format(value);
}

/** 0.24 s, 12 s, 3 min, 2 h: as coarse as the length allows. */
export function duration(seconds: number, tag: string): string {
  const [value, unit, digits] =
    seconds < 10
      ? [seconds, 'second', seconds < 1 ? 2 : 1]
      : seconds < 90
        ? [seconds, 'second', 0]
        : seconds < 90 * 60
          ? [seconds / 60, 'minute', 0]
          : [seconds / 3600, 'hour', 1];
  const text = new Intl.NumberFormat(tag, {
    style: 'unit',
    unit: unit as string,
    unitDisplay: 'narrow',
    maximumFractionDigits: digits as number,
  }).format(value as number);
  // Chinese sets a space between a figure and a character; Intl leaves it out.
  return text.replace(/(\d)(\p{Script=Han})/u, '$1 $2');
}

export function moment(milliseconds: number, tag: string): string {
  return new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short' }).format(milliseconds);
}

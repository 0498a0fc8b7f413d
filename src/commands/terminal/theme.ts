/**
 * Meanings of a screen's parts. Only the terminal's own 16 colours are used, never a fixed foreground or
 * background, so light and dark terminals both work; state is never in colour alone. Without colour
 * (NO_COLOR) bold, dim and inverse remain.
 */

export type Tone =
  | 'plain'
  | 'heading'
  | 'dim'
  | 'good'
  | 'warning'
  | 'bad'
  | 'name'
  /** A key to press. */
  | 'key'
  /** What a search found. */
  | 'match'
  /** The row under the cursor. */
  | 'selected'
  /** A row that the user marked. */
  | 'marked'
  /** The bar on top of a screen. */
  | 'bar';

type Codes = readonly (readonly [open: number, close: number])[];

const bold = [1, 22] as const;
const faint = [2, 22] as const;
const underline = [4, 24] as const;
const inverse = [7, 27] as const;

const colored: Readonly<Record<Tone, Codes>> = {
  plain: [],
  heading: [bold],
  dim: [faint],
  good: [[32, 39]],
  warning: [[33, 39]],
  bad: [[31, 39]],
  name: [[36, 39]],
  key: [bold],
  match: [inverse, [33, 39]],
  selected: [inverse],
  marked: [[35, 39]],
  bar: [inverse, bold],
};

const colorless: Readonly<Record<Tone, Codes>> = {
  ...colored,
  good: [],
  warning: [bold],
  bad: [bold],
  name: [],
  match: [underline],
  marked: [bold],
};

export class Theme {
  readonly hasColor: boolean;
  readonly #open: Readonly<Record<Tone, string>>;
  readonly #close: Readonly<Record<Tone, string>>;

  /** `isPlain`: no escape sequence at all, for what is no terminal. */
  constructor(options: { readonly hasColor: boolean; readonly isPlain?: boolean }) {
    this.hasColor = options.hasColor;
    const codes = options.isPlain === true ? {} : options.hasColor ? colored : colorless;
    this.#open = sequences(codes, 0);
    this.#close = sequences(codes, 1);
  }

  /** The text in its tone. */
  paint(tone: Tone, text: string): string {
    return text === '' ? '' : this.#open[tone] + text + this.#close[tone];
  }
}

function sequences(
  codes: Readonly<Partial<Record<Tone, Codes>>>,
  side: 0 | 1,
): Record<Tone, string> {
  const made: [string, string][] = Object.keys(colored).map((tone) => {
    const pairs = codes[tone as Tone] ?? []; // a key of that table
    const ordered = side === 0 ? pairs : pairs.toReversed();
    return [tone, ordered.map((pair) => `\u001b[${pair[side]}m`).join('')];
  });
  return Object.fromEntries(made) as Record<Tone, string>; // the same keys
}

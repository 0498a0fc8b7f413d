/** Meanings of colours. State is never in colour alone. */

export type Style = 'heading' | 'dim' | 'good' | 'warning' | 'bad' | 'name';

const codes: Readonly<Record<Style, readonly [open: number, close: number]>> = {
  heading: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  warning: [33, 39],
  bad: [31, 39],
  name: [36, 39],
};

/** The text in its style, plain where there is no colour. */
export function paint(output: { readonly hasColor: boolean }, style: Style, text: string): string {
  if (!output.hasColor) return text;
  const [open, close] = codes[style];
  return `\u001b[${open}m${text}\u001b[${close}m`;
}

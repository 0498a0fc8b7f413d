/** One line of input: what is before the cursor and what is behind it. Pure. */
import { typedText } from './keys.ts';
import { firstOf, withoutLast } from './widths.ts';

export interface Line {
  readonly before: string;
  readonly after: string;
}

/** Longest line that can be typed or pasted. */
const lengthMax = 4_096;

export function lineOf(text: string): Line {
  return { before: text, after: '' };
}

export function textOf({ before, after }: Line): string {
  return before + after;
}

/** The line after a key, `line` itself when the key means nothing here. */
export function editLine(line: Line, key: string): Line {
  const { before, after } = line;
  switch (key) {
    case 'backspace':
      return { before: withoutLast(before), after };
    case 'delete':
    case 'ctrl-d':
      return { before, after: after.slice(firstOf(after).length) };
    case 'left':
    case 'ctrl-b': {
      const kept = withoutLast(before);
      return { before: kept, after: before.slice(kept.length) + after };
    }
    case 'right':
    case 'ctrl-f': {
      const first = firstOf(after);
      return { before: before + first, after: after.slice(first.length) };
    }
    case 'home':
    case 'ctrl-a':
      return { before: '', after: before + after };
    case 'end':
    case 'ctrl-e':
      return { before: before + after, after: '' };
    case 'ctrl-u':
      return { before: '', after };
    case 'ctrl-k':
      return { before, after: '' };
    case 'ctrl-w':
      return { before: before.replace(/\S*\s*$/, ''), after };
  }
  const typed = typedText(key);
  if (typed === undefined || before.length + after.length + typed.length > lengthMax) return line;
  return { before: before + typed, after };
}

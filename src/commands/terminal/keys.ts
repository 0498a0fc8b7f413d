/**
 * Keys by names that people can read: `j`, `G`, `space`, `ctrl-d`, `up`, `enter`. One table of bindings
 * drives what a key does, the footer and the help.
 */
import type { Key } from 'ink';

/** What keys do in one view. */
export interface Binding<Action extends string> {
  /** Names, the one to show first. */
  readonly keys: readonly string[];
  readonly action: Action;
  /** For the help, a few words. */
  readonly help: string;
  /** One word for the footer; left out: not in the footer. */
  readonly footer?: string;
}

/** The action of a key; undefined when it has none here. */
export function actionOf<Action extends string>(
  bindings: readonly Binding<Action>[],
  key: string,
): Action | undefined {
  return bindings.find(({ keys }) => keys.includes(key))?.action;
}

type Flag = {
  [Name in keyof Key]: Key[Name] extends boolean ? Name : never;
}[keyof Key];

const named: readonly (readonly [flag: Flag & string, name: string])[] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['backspace', 'backspace'],
  ['delete', 'delete'],
  ['escape', 'esc'],
];

/** Names of what Ink's `useInput` reported: several keys when they came in one chunk. */
export function keyNames(input: string, key: Key): readonly string[] {
  if (key.tab) return [key.shift ? 'shift-tab' : 'tab'];
  // Esc and a key behind it come as one over a slow line, and look like that key with Alt, which is bound to nothing.
  if (key.meta && key.return) return ['esc', 'enter'];
  for (const [flag, name] of named) if (key[flag]) return [name];
  if (key.ctrl) return [`ctrl-${input === ' ' ? 'space' : input}`];
  if (key.meta) return ['esc', ...Array.from(input, nameOfCharacter)];
  return Array.from(input, nameOfCharacter);
}

function nameOfCharacter(character: string): string {
  const code = character.charCodeAt(0);
  if (code === 0x20) return 'space';
  if (code === 0x0d || code === 0x0a) return 'enter';
  if (code === 0x09) return 'tab';
  if (code === 0x1b) return 'esc';
  if (code === 0x08 || code === 0x7f) return 'backspace';
  if (code < 0x20) return `ctrl-${String.fromCharCode(code + 0x60)}`;
  return character;
}

/** The text that a key types; undefined for keys that type none. */
export function typedText(key: string): string | undefined {
  if (key === 'space') return ' ';
  return Array.from(key).length === 1 ? key : undefined;
}

const symbols: Readonly<Record<string, string>> = {
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  enter: '↵',
  pageup: 'pgup',
  pagedown: 'pgdn',
};

/** How a key is shown: `↑`, `^d`, `space`. */
export function keyLabel(key: string): string {
  return symbols[key] ?? (key.startsWith('ctrl-') ? `^${key.slice(5)}` : key);
}

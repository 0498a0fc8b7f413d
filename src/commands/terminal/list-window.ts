/** A long list in a short window: where the cursor is and which row is on top. Pure. */
import type { Binding } from './keys.ts';

export interface ListWindow {
  /** Index of the row under the cursor; 0 in an empty list. */
  readonly cursor: number;
  /** Index of the first row that is visible. */
  readonly top: number;
}

export interface ListSize {
  readonly count: number;
  /** Rows that are visible. */
  readonly height: number;
}

export type ListAction =
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'half-up'
  | 'half-down'
  | 'first'
  | 'last';

/** Keys of every list: arrows and vi's. */
export const listBindings: readonly Binding<ListAction>[] = [
  { keys: ['up', 'k'], action: 'up', help: 'one up' },
  { keys: ['down', 'j'], action: 'down', help: 'one down' },
  { keys: ['pageup', 'ctrl-b'], action: 'page-up', help: 'a page up' },
  { keys: ['pagedown', 'ctrl-f'], action: 'page-down', help: 'a page down' },
  { keys: ['ctrl-u'], action: 'half-up', help: 'half a page up' },
  { keys: ['ctrl-d'], action: 'half-down', help: 'half a page down' },
  { keys: ['g', 'home'], action: 'first', help: 'first' },
  { keys: ['G', 'end'], action: 'last', help: 'last' },
];

export const listStart: ListWindow = { cursor: 0, top: 0 };

/** The cursor at `cursor` (held inside the list), the window moved as little as needed. */
export function moveTo(window: ListWindow, cursor: number, size: ListSize): ListWindow {
  const height = Math.max(1, size.height);
  const at = Math.min(Math.max(0, cursor), Math.max(0, size.count - 1));
  const lowest = Math.max(0, size.count - height);
  const top = Math.min(Math.max(window.top, at - height + 1), at, lowest);
  return { cursor: at, top };
}

/** How far an action moves in a list. */
export function distanceOf(action: ListAction, { count, height }: ListSize): number {
  const page = Math.max(1, height - 1);
  const half = Math.max(1, height >> 1);
  switch (action) {
    case 'up':
      return -1;
    case 'down':
      return 1;
    case 'page-up':
      return -page;
    case 'page-down':
      return page;
    case 'half-up':
      return -half;
    case 'half-down':
      return half;
    case 'first':
      return -count;
    case 'last':
      return count;
  }
}

/** The window after an action. */
export function moveBy(window: ListWindow, action: ListAction, size: ListSize): ListWindow {
  return moveTo(window, window.cursor + distanceOf(action, size), size);
}

/** What keys do in the viewer: one table for handling, footer and help. */
import type { Binding } from '../terminal/keys.ts';
import { type ListAction, listBindings } from '../terminal/list-window.ts';

export type TailAction =
  | ListAction
  | 'pause'
  | 'follow'
  | 'open'
  | 'filter'
  | 'search'
  | 'next-found'
  | 'previous-found'
  | 'mark'
  | 'clear-marks'
  | 'copy'
  | 'save'
  | 'resend'
  | 'help'
  | 'quit';

export const tailBindings: readonly Binding<TailAction>[] = [
  { keys: ['space', 'p'], action: 'pause', help: 'pause, and go on', footer: 'pause' },
  { keys: ['enter'], action: 'open', help: 'open the message', footer: 'open' },
  { keys: ['/'], action: 'filter', help: 'change the filter', footer: 'filter' },
  { keys: ['s'], action: 'search', help: 'search in the list', footer: 'search' },
  { keys: ['n'], action: 'next-found', help: 'next one found' },
  { keys: ['N'], action: 'previous-found', help: 'previous one found' },
  { keys: ['f'], action: 'follow', help: 'follow the newest', footer: 'follow' },
  { keys: ['m'], action: 'mark', help: 'mark, or take the mark', footer: 'mark' },
  { keys: ['M'], action: 'clear-marks', help: 'take all marks' },
  { keys: ['y', 'c'], action: 'copy', help: 'copy the body (of all marked)', footer: 'copy' },
  { keys: ['e'], action: 'save', help: 'save as JSON lines (all marked)', footer: 'save' },
  { keys: ['r'], action: 'resend', help: 'send a copy (of all marked)', footer: 'resend' },
  ...listBindings,
  { keys: ['?'], action: 'help', help: 'these keys', footer: 'help' },
  { keys: ['q', 'ctrl-c'], action: 'quit', help: 'quit', footer: 'quit' },
];

export type MessageAction =
  | 'close'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'first'
  | 'last'
  | 'next-tab'
  | 'previous-tab'
  | 'next-message'
  | 'previous-message'
  | 'body'
  | 'properties'
  | 'hex'
  | 'trace'
  | 'copy'
  | 'save'
  | 'resend'
  | 'help'
  | 'quit';

export const messageBindings: readonly Binding<MessageAction>[] = [
  { keys: ['esc', 'enter'], action: 'close', help: 'back to the list', footer: 'back' },
  { keys: ['tab', 'right', 'l'], action: 'next-tab', help: 'next page', footer: 'page' },
  { keys: ['shift-tab', 'left', 'h'], action: 'previous-tab', help: 'previous page' },
  { keys: ['b'], action: 'body', help: 'the body' },
  { keys: ['i'], action: 'properties', help: 'its properties' },
  { keys: ['x'], action: 'hex', help: 'bytes' },
  { keys: ['t'], action: 'trace', help: 'its way: sent, stored, who consumed it', footer: 'trace' },
  { keys: ['n', ']'], action: 'next-message', help: 'next message', footer: 'next' },
  { keys: ['N', '['], action: 'previous-message', help: 'previous message' },
  { keys: ['up', 'k'], action: 'up', help: 'one line up' },
  { keys: ['down', 'j'], action: 'down', help: 'one line down' },
  { keys: ['pageup', 'ctrl-b', 'ctrl-u'], action: 'page-up', help: 'a page up' },
  { keys: ['pagedown', 'ctrl-f', 'ctrl-d', 'space'], action: 'page-down', help: 'a page down' },
  { keys: ['g', 'home'], action: 'first', help: 'top' },
  { keys: ['G', 'end'], action: 'last', help: 'bottom' },
  { keys: ['y', 'c'], action: 'copy', help: 'copy the body', footer: 'copy' },
  { keys: ['e'], action: 'save', help: 'save as JSON', footer: 'save' },
  { keys: ['r'], action: 'resend', help: 'send a copy', footer: 'resend' },
  { keys: ['?'], action: 'help', help: 'these keys', footer: 'help' },
  { keys: ['q', 'ctrl-c'], action: 'quit', help: 'quit', footer: 'quit' },
];

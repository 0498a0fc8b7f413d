/**
 * The viewer without a screen: keys in, state out. What reaches outside (copy, save, resend, trace, quit) is
 * asked of `TailPorts`. The rows are made by `list-view.ts` and `message-view.ts`.
 */
import { asRmqError } from '../../protocol/errors.ts';
import type { TraceRow } from '../message/trace.ts';
import { actionOf } from '../terminal/keys.ts';
import { editLine, type Line, lineOf, textOf } from '../terminal/line-editor.ts';
import { type MessageAction, messageBindings, type TailAction, tailBindings } from './bindings.ts';
import { type Condition, parseCondition } from './condition.ts';
import type { TailEntry } from './entry.ts';
import type { TailModel } from './model.ts';

export interface TailPorts {
  /** Copies through the terminal; false when it is too much. */
  copy(text: string): boolean;
  /** Appends the messages as JSON lines. @throws when the file cannot be written */
  save(path: string, entries: readonly TailEntry[]): Promise<void>;
  /** Sends copies to `topic`. @throws RmqError */
  resend(entries: readonly TailEntry[], topic: string): Promise<void>;
  /** What is known of its way. @throws RmqError */
  trace(entry: TailEntry): Promise<readonly TraceRow[]>;
  quit(): void;
  /** Something has changed: draw soon. */
  changed(): void;
}

export const messageTabs = ['body', 'properties', 'hex', 'trace'] as const;
export type MessageTab = (typeof messageTabs)[number];

export interface Prompt {
  readonly purpose: 'filter' | 'search' | 'save' | 'resend';
  readonly line: Line;
  /** What is wrong with what was typed. */
  readonly problem: string | undefined;
}

export class TailController {
  readonly model: TailModel;
  readonly title: string;
  readonly #ports: TailPorts;
  /** Rows need not say the topic. */
  readonly isOneTopic: boolean;
  view: 'list' | 'message' | 'help' = 'list';
  #before: 'list' | 'message' = 'list';
  prompt: Prompt | undefined = undefined;
  filterText = '';
  searchText = '';
  /** One line about what was done, until the next key. */
  notice: { readonly text: string; readonly isProblem: boolean } | undefined = undefined;
  /** What is wrong with reading, for as long as it is. */
  trouble: string | undefined = undefined;
  /** Messages that the brokers have and were not read yet. */
  behindCount = 0;
  opened: TailEntry | undefined = undefined;
  tab: MessageTab = 'body';
  /** First line of the open message that is visible. */
  scroll = 0;
  /** Lines of the open message and of its window, as last drawn. */
  extent = { lines: 0, height: 1 };
  /** The way of the open message; undefined while it is asked for. */
  trace: readonly TraceRow[] | { readonly problem: string } | undefined = undefined;

  constructor(options: {
    readonly model: TailModel;
    readonly title: string;
    readonly isOneTopic: boolean;
    readonly ports: TailPorts;
  }) {
    this.model = options.model;
    this.title = options.title;
    this.isOneTopic = options.isOneTopic;
    this.#ports = options.ports;
  }

  /** True: keys are text, or close something of the viewer's own. Who embeds the viewer leaves them to it. */
  get isBusy(): boolean {
    return this.prompt !== undefined || this.view !== 'list';
  }

  key(name: string): void {
    this.notice = undefined;
    if (this.prompt !== undefined) this.#promptKey(this.prompt, name);
    else if (this.view === 'help') this.#helpKey(name);
    else if (this.view === 'message') this.#message(actionOf(messageBindings, name));
    else this.#list(actionOf(tailBindings, name), name);
    this.#ports.changed();
  }

  #helpKey(name: string): void {
    if (name === 'q' || name === 'ctrl-c') this.#ports.quit();
    else this.view = this.#before;
  }

  #help(from: 'list' | 'message'): void {
    this.#before = from;
    this.view = 'help';
  }

  #list(action: TailAction | undefined, name: string): void {
    const { model } = this;
    switch (action) {
      case undefined:
        // Back out of what was asked for, one thing at a time.
        if (name === 'esc' && this.searchText !== '') this.#search('');
        else if (name === 'esc' && this.filterText !== '') this.#filter('');
        return;
      case 'pause':
        return model.isFollowing ? model.pause() : model.follow();
      case 'follow':
        return model.follow();
      case 'open':
        return this.#open(model.selected);
      case 'filter':
        return this.#ask('filter', this.filterText);
      case 'search':
        return this.#ask('search', this.searchText);
      case 'next-found':
        return this.#find(1);
      case 'previous-found':
        return this.#find(-1);
      case 'mark':
        model.toggleMark();
        return model.isFollowing ? undefined : model.move('down');
      case 'clear-marks':
        return model.clearMarks();
      case 'help':
        return this.#help('list');
      case 'copy':
      case 'save':
      case 'resend':
        return this.#handle(
          action,
          model.marked.length > 0 ? model.marked : toList(model.selected),
        );
      case 'quit':
        return this.#ports.quit();
      default:
        return model.move(action);
    }
  }

  #message(action: MessageAction | undefined): void {
    const { extent } = this;
    const last = Math.max(0, extent.lines - extent.height);
    const to = (line: number): void => {
      this.scroll = Math.min(Math.max(0, line), last);
    };
    switch (action) {
      case undefined:
        return;
      case 'close':
        this.view = 'list';
        this.opened?.forget();
        this.opened = undefined;
        return;
      case 'up':
        return to(this.scroll - 1);
      case 'down':
        return to(this.scroll + 1);
      case 'page-up':
        return to(this.scroll - extent.height + 1);
      case 'page-down':
        return to(this.scroll + extent.height - 1);
      case 'first':
        return to(0);
      case 'last':
        return to(last);
      case 'next-tab':
      case 'previous-tab': {
        const step = action === 'next-tab' ? 1 : messageTabs.length - 1;
        const index = (messageTabs.indexOf(this.tab) + step) % messageTabs.length;
        return this.#show(messageTabs[index] ?? 'body');
      }
      case 'next-message':
      case 'previous-message':
        this.model.move(action === 'next-message' ? 'down' : 'up');
        this.model.pause();
        return this.#open(this.model.selected, this.tab);
      case 'help':
        return this.#help('message');
      case 'copy':
      case 'save':
      case 'resend':
        return this.#handle(action, toList(this.opened));
      case 'quit':
        return this.#ports.quit();
      default:
        return this.#show(action);
    }
  }

  #open(entry: TailEntry | undefined, tab: MessageTab = 'body'): void {
    if (entry === undefined) return;
    this.opened?.forget();
    this.model.pause();
    this.opened = entry;
    this.view = 'message';
    this.trace = undefined;
    this.#show(tab);
  }

  #show(tab: MessageTab): void {
    this.tab = tab;
    this.scroll = 0;
    const { opened } = this;
    if (tab !== 'trace' || opened === undefined || this.trace !== undefined) return;
    const answer = (trace: NonNullable<TailController['trace']>): void => {
      if (this.opened !== opened) return;
      this.trace = trace;
      this.#ports.changed();
    };
    this.#ports.trace(opened).then(answer, (error: unknown) => {
      answer({ problem: asRmqError(error).message });
    });
  }

  #handle(action: 'copy' | 'save' | 'resend', entries: readonly TailEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    if (action === 'save') return this.#ask('save', `${first.topic.replace(/[%|]/g, '_')}.jsonl`);
    if (action === 'resend') return this.#ask('resend', first.originTopic);
    const isCopied = this.#ports.copy(entries.map((entry) => bodyText(entry)).join('\n'));
    this.#say(
      isCopied ? `copied ${countOf(entries.length)}` : 'too much for the clipboard: e saves it',
      !isCopied,
    );
  }

  #ask(purpose: Prompt['purpose'], text: string): void {
    this.prompt = { purpose, line: lineOf(text), problem: undefined };
  }

  #promptKey(prompt: Prompt, name: string): void {
    if (name === 'esc' || name === 'ctrl-c') {
      this.prompt = undefined;
    } else if (name === 'enter') {
      this.#answer(prompt, textOf(prompt.line).trim());
    } else {
      this.prompt = { ...prompt, line: editLine(prompt.line, name), problem: undefined };
    }
  }

  #answer(prompt: Prompt, text: string): void {
    const chosen = this.view === 'message' ? toList(this.opened) : this.model.marked;
    const entries = chosen.length > 0 ? chosen : toList(this.model.selected);
    this.prompt = undefined;
    try {
      if (prompt.purpose === 'filter') return this.#filter(text);
      if (prompt.purpose === 'search') {
        this.#search(text);
        return text === '' ? undefined : this.#find(-1);
      }
    } catch (error) {
      this.prompt = { ...prompt, problem: asRmqError(error).message };
      return;
    }
    if (text === '') return;
    const count = countOf(entries.length);
    if (prompt.purpose === 'save')
      this.#work(this.#ports.save(text, entries), `saved ${count} to ${text}`);
    else this.#work(this.#ports.resend(entries, text), `sent a copy of ${count} to ${text}`);
  }

  #work(work: Promise<void>, outcome: string): void {
    work.then(
      () => this.#say(outcome, false),
      (error: unknown) => this.#say(asRmqError(error).message, true),
    );
  }

  #filter(text: string): void {
    this.model.setFilter(parseCondition(text));
    this.filterText = text;
  }

  #search(text: string): void {
    const condition: Condition | undefined = parseCondition(text);
    this.model.setSearch(condition);
    this.searchText = text;
  }

  #find(direction: 1 | -1): void {
    if (this.searchText === '') return this.#ask('search', '');
    if (!this.model.findNext(direction)) this.#say(`nothing here is like ${this.searchText}`, true);
  }

  #say(text: string, isProblem: boolean): void {
    this.notice = { text, isProblem };
    this.#ports.changed();
  }
}

function toList(entry: TailEntry | undefined): readonly TailEntry[] {
  return entry === undefined ? [] : [entry];
}

function countOf(count: number): string {
  return count === 1 ? 'the message' : `${count} messages`;
}

function bodyText(entry: TailEntry): string {
  const text = entry.text() ?? Buffer.from(entry.body()).toString('base64');
  entry.forget();
  return text;
}

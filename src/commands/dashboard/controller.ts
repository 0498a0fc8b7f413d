/**
 * The dashboard without a screen: keys in, state out. Where one is, the cursor, filter and order of each
 * view, prompts and their answers. The rows are made by `frame.ts`, what is done by `actions.ts`.
 */
import { asRmqError } from '../../protocol/errors.ts';
import type { TailController } from '../tail/controller.ts';
import { actionOf } from '../terminal/keys.ts';
import { editLine, type Line, lineOf, textOf } from '../terminal/line-editor.ts';
import {
  type ListAction,
  type ListWindow,
  listStart,
  moveBy,
  moveTo,
} from '../terminal/list-window.ts';
import type { Actions } from './actions.ts';
import { bindingsFor, type DashboardAction } from './bindings.ts';
import type { ClusterState } from './cluster-state.ts';
import { targetsOf } from './jump.ts';
import { arrangedRows, parseRowFilter, type RowFilter } from './table.ts';
import type { AnyView, Focus, Place, RowAction, Scene, Sort } from './view.ts';
import { mainViews, type TableName, views } from './views/all-views.ts';

export interface DashboardPorts {
  readonly actions: Actions;
  nowMs(): number;
  focus(focus: Focus): void;
  refresh(): void;
  /** Copies through the terminal; false when it is too much. */
  copy(text: string): boolean;
  /** @throws when the file cannot be written */
  save(path: string, text: string): Promise<void>;
  /** Follows a topic in the viewer of `rmq tail`. @throws RmqError */
  openMessages(topic: string, leave: () => void): Promise<Messages>;
  quit(): void;
  /** Something has changed: draw soon. */
  changed(): void;
}

export interface Messages {
  readonly controller: TailController;
  stop(): void;
}

/** A question at the foot of the screen. */
export interface Question {
  readonly label: string;
  readonly line: Line;
  /** Has to be typed for it to be done; empty: Enter is enough. */
  readonly wanted: string;
  readonly problem: string | undefined;
  /** What may be chosen, the best first. */
  readonly choices?: readonly string[];
}

interface Prompt extends Question {
  /** Called with each change of the text; what it says is wrong with it. */
  typed?(text: string): string | undefined;
  done(text: string): void;
}

/** A place, and how it was left. */
interface Stop {
  readonly place: Place;
  window: ListWindow;
  /** Id of the row under the cursor, which keeps it when rows come and go. */
  cursorId: string | undefined;
  filterText: string;
  filter: RowFilter | undefined;
  sort: Sort | undefined;
}

export class DashboardController {
  readonly state: ClusterState;
  readonly #ports: DashboardPorts;
  #stops: Stop[];
  #prompt: Prompt | undefined = undefined;
  #arranged: { readonly key: string; readonly rows: readonly unknown[] } | undefined = undefined;
  #size = { columns: 80, listHeight: 1 };
  isHelpOpen = false;
  /** One line about what was done, until the next key. */
  notice: { readonly text: string; readonly isProblem: boolean } | undefined = undefined;
  messages: Messages | undefined = undefined;

  constructor(state: ClusterState, ports: DashboardPorts, place: Place = { view: 'overview' }) {
    this.state = state;
    this.#ports = ports;
    this.#stops = [newStop(place)];
  }

  get place(): Place {
    return this.#stop.place;
  }

  get question(): Question | undefined {
    return this.#prompt;
  }

  get filterText(): string {
    return this.#stop.filterText;
  }

  get sort(): Sort | undefined {
    return this.#stop.sort;
  }

  get window(): ListWindow {
    return this.#stop.window;
  }

  /** The view that is shown; undefined while it is the messages. */
  get view(): AnyView | undefined {
    const { view } = this.place;
    return view === 'messages' ? undefined : views[view];
  }

  get scene(): Scene {
    const { state, place } = this;
    return { state, place, nowMs: this.#ports.nowMs(), columns: this.#size.columns };
  }

  get #stop(): Stop {
    return this.#stops.at(-1) as Stop; // never empty
  }

  /** Rows of the view as filtered and sorted; the same list until something changes. */
  get rows(): readonly unknown[] {
    const { view } = this;
    if (view === undefined) return [];
    const { filterText, filter, sort, place } = this.#stop;
    const key = `${this.state.version} ${place.view} ${place.name} ${filterText} ${sort?.column} ${sort?.isDescending}`;
    if (this.#arranged?.key !== key) {
      this.#arranged = { key, rows: arrangedRows(view, this.scene, { filter, sort }) };
    }
    return this.#arranged.rows;
  }

  get selected(): unknown {
    return this.rows[this.window.cursor];
  }

  /** The screen's size, as far as it matters here. Keeps the cursor on its row and tells what is in sight. */
  resize(columns: number, listHeight: number): void {
    this.#size = { columns, listHeight };
    const { view } = this;
    if (view === undefined) return;
    const stop = this.#stop;
    const { rows } = this;
    const found =
      stop.cursorId === undefined ? -1 : rows.findIndex((one) => view.idOf(one) === stop.cursorId);
    const cursor = found < 0 ? stop.window.cursor : found;
    stop.window = moveTo(stop.window, cursor, { count: rows.length, height: listHeight });
    const { top } = stop.window;
    this.#ports.focus({
      view: this.place.view,
      name: this.place.name,
      visible: rows.slice(top, top + listHeight).map((one) => view.idOf(one)),
    });
  }

  key(name: string): void {
    if (this.#prompt !== undefined) this.#promptKey(this.#prompt, name);
    else if (this.isHelpOpen) this.#helpKey(name);
    else if (this.messages !== undefined) this.#messagesKey(this.messages.controller, name);
    else this.#tableKey(name);
    this.#ports.changed();
  }

  stop(): void {
    this.messages?.stop();
  }

  #helpKey(name: string): void {
    if (name === 'q' || name === 'ctrl-c') this.#ports.quit();
    else this.isHelpOpen = false;
  }

  /** All keys are the viewer's, but the one that leads back and those that lead elsewhere. */
  #messagesKey(tail: TailController, name: string): void {
    const isOwn = tail.isBusy || tail.filterText !== '' || tail.searchText !== '';
    if (isOwn || (name !== 'esc' && name !== ':' && !/^[0-9]$/.test(name))) tail.key(name);
    else this.#tableKey(name);
  }

  #tableKey(name: string): void {
    this.notice = undefined;
    const view = mainViews.find(([digit]) => digit === name)?.[1];
    if (view !== undefined) return this.#start({ view });
    const action = actionOf(bindingsFor(this.view?.actions ?? []), name);
    if (action !== undefined) this.#do(action);
  }

  #do(action: DashboardAction): void {
    switch (action) {
      case 'open':
        return this.#open();
      case 'back':
        return this.#back();
      case 'filter':
        return this.#askFilter();
      case 'jump':
        return this.#askTarget();
      case 'next-view':
        return this.#neighbour(1);
      case 'previous-view':
        return this.#neighbour(-1);
      case 'sort-next':
        return this.#sortBy(1);
      case 'sort-previous':
        return this.#sortBy(-1);
      case 'sort-invert':
        return this.#invert();
      case 'refresh':
        return this.#ports.refresh();
      case 'copy':
        return this.#copy(this.view?.idOf(this.selected));
      case 'copy-json':
        return this.#copy(JSON.stringify(this.selected));
      case 'save':
        return this.#askFile();
      case 'help':
        this.isHelpOpen = true;
        return;
      case 'quit':
        return this.#ports.quit();
      case 'messages':
      case 'redrive':
      case 'reset-offset':
      case 'drain':
      case 'delete-topic':
      case 'delete-group':
        return this.#act(action);
      default:
        return this.#move(action);
    }
  }

  #move(action: ListAction): void {
    const stop = this.#stop;
    const { rows, view } = this;
    const size = { count: rows.length, height: this.#size.listHeight };
    stop.window = moveBy(stop.window, action, size);
    const row = rows[stop.window.cursor];
    stop.cursorId = row === undefined ? undefined : view?.idOf(row);
  }

  #open(): void {
    const { selected, view } = this;
    const place = selected === undefined ? undefined : view?.open?.(selected);
    if (place !== undefined) this.#go(place);
  }

  #go(place: Place): void {
    if (place.view === 'messages') return this.#openMessages(place.name ?? '');
    this.#closeMessages();
    this.#stops.push(newStop(place));
  }

  /** A view of the whole cluster: nothing to go back to but the overview. */
  #start(place: Place): void {
    this.#closeMessages();
    const overview = newStop({ view: 'overview' });
    this.#stops = place.view === 'overview' ? [overview] : [overview, newStop(place)];
  }

  #back(): void {
    if (this.messages !== undefined) return this.#closeMessages();
    if (this.filterText !== '') this.#setFilter('');
    else if (this.#stops.length > 1) this.#stops.pop();
  }

  #neighbour(step: number): void {
    const names = mainViews.map(([, view]) => view);
    const at = names.indexOf(this.#stops.find((one) => isMain(one.place))?.place.view as TableName);
    const current = names.indexOf(this.place.view as TableName);
    const next = names[((current < 0 ? at : current) + step + names.length) % names.length];
    if (next !== undefined) this.#start({ view: next });
  }

  #openMessages(topic: string): void {
    this.notice = { text: `opening ${topic}`, isProblem: false };
    this.#ports
      .openMessages(topic, () => this.#ports.quit())
      .then(
        (messages) => {
          this.notice = undefined;
          this.#closeMessages();
          this.messages = messages;
          this.#stops.push(newStop({ view: 'messages', name: topic }));
          this.#ports.changed();
        },
        (error: unknown) => this.#tell(error),
      );
  }

  #closeMessages(): void {
    if (this.messages === undefined) return;
    this.messages.stop();
    this.messages = undefined;
    this.#stops = this.#stops.filter(({ place }) => place.view !== 'messages');
  }

  #sortBy(step: number): void {
    const { view } = this;
    if (view === undefined) return;
    const count = view.columns.length;
    const at = this.sort?.column ?? (step > 0 ? -1 : 0);
    const column = (at + step + count) % count;
    // Numbers are looked for from the largest, names from A.
    this.#stop.sort = { column, isDescending: view.columns[column]?.align === 'right' };
  }

  #invert(): void {
    const { sort } = this;
    if (sort !== undefined) this.#stop.sort = { ...sort, isDescending: !sort.isDescending };
  }

  #copy(text: string | undefined): void {
    if (text === undefined) return;
    const isCopied = this.#ports.copy(text);
    const said = isCopied ? `copied: ${text}` : 'too much to copy';
    this.notice = { text: said, isProblem: !isCopied };
  }

  #setFilter(text: string): string | undefined {
    const filter = parseRowFilter(text);
    if (filter !== undefined && typeof filter !== 'function') return filter.problem;
    const stop = this.#stop;
    stop.filterText = text.trim();
    stop.filter = filter;
    stop.cursorId = undefined;
    stop.window = listStart;
    return undefined;
  }

  #askFilter(): void {
    const before = this.filterText;
    this.#ask({
      label: 'filter: ',
      line: lineOf(before),
      typed: (text) => this.#setFilter(text),
      done: (text) => void this.#setFilter(text),
    });
  }

  #askTarget(): void {
    this.#ask({
      label: 'go to: ',
      choices: targetsOf(this.state, '').map(({ label }) => label),
      done: (text) => {
        const [target] = targetsOf(this.state, text);
        if (target === undefined) {
          this.notice = { text: `there is no view, topic or group ${text}`, isProblem: true };
        } else if (isMain(target.place)) this.#start(target.place);
        else this.#go(target.place);
      },
    });
  }

  #askFile(): void {
    const { view, rows, scene } = this;
    if (view === undefined) return;
    this.#ask({
      label: `save ${rows.length} rows to: `,
      line: lineOf(`${this.place.view}.tsv`),
      done: (path) => {
        const lines = [
          view.columns.map(({ title }) => title),
          ...rows.map((one) => view.columns.map((column) => column.value(one, scene))),
        ];
        const text = lines.map((cells) => `${cells.join('\t')}\n`).join('');
        this.#run(async () => {
          await this.#ports.save(path, text);
          return `saved to ${path}`;
        });
      },
    });
  }

  #act(action: RowAction): void {
    const { view, place, selected } = this;
    if (view === undefined) return;
    const isNamed = view.targetOf !== undefined && place.name !== undefined;
    if (selected === undefined && !isNamed) return;
    const target = view.targetOf?.(selected, place) ?? view.idOf(selected);
    const { actions } = this.#ports;
    switch (action) {
      case 'messages':
        return this.#openMessages(target);
      case 'redrive':
        return this.#confirm(`send the waiting dead letters of ${target} again`, 'y', () =>
          actions.redrive(target),
        );
      case 'delete-topic':
        return this.#confirm(`topic ${target} and all its messages go for good`, target, () =>
          actions.deleteTopic(target),
        );
      case 'delete-group':
        return this.#confirm(`group ${target} forgets how far it has consumed`, target, () =>
          actions.deleteGroup(target),
        );
      case 'drain':
        return this.#askDrain(target);
      case 'reset-offset':
        return this.#askReset(target);
    }
  }

  #askDrain(id: string): void {
    const machine = this.state.machines.get(id);
    if (machine?.role !== 'broker') {
      this.notice = { text: 'only brokers are drained', isProblem: true };
      return;
    }
    const effect = machine.isDrained
      ? 'takes messages again'
      : 'is drained: producers go to the others';
    this.#confirm(`broker ${machine.name} ${effect}`, 'y', () => this.#ports.actions.drain(id));
  }

  #askReset(group: string): void {
    this.#ask({
      label: `${group} goes on at (earliest, latest, -15m, a time): `,
      done: (to) => {
        this.notice = { text: 'looking what that would do', isProblem: false };
        this.#ports.actions.previewReset(group, to).then(
          (effect) => {
            this.notice = undefined;
            this.#confirm(effect, group, () => this.#ports.actions.reset(group, to));
            this.#ports.changed();
          },
          (error: unknown) => this.#tell(error),
        );
      },
    });
  }

  #confirm(effect: string, wanted: string, run: () => Promise<string>): void {
    const how = wanted === 'y' ? 'y to do it: ' : `type ${wanted} to do it: `;
    this.#ask({ label: `${effect}; ${how}`, wanted, done: () => this.#run(run) });
  }

  #run(run: () => Promise<string>): void {
    this.notice = { text: 'under way', isProblem: false };
    run().then(
      (text) => {
        this.notice = { text, isProblem: false };
        this.#ports.refresh();
        this.#ports.changed();
      },
      (error: unknown) => this.#tell(error),
    );
  }

  #tell(error: unknown): void {
    const { message, hint } = asRmqError(error);
    const text = hint === undefined ? message : `${message} (${hint})`;
    this.notice = { text, isProblem: true };
    this.#ports.changed();
  }

  #ask(prompt: Pick<Prompt, 'label' | 'done'> & Partial<Prompt>): void {
    this.#prompt = { line: lineOf(''), wanted: '', problem: undefined, ...prompt };
  }

  #promptKey(prompt: Prompt, name: string): void {
    if (name === 'esc' || name === 'ctrl-c') {
      this.#prompt = undefined;
      return;
    }
    const text = textOf(prompt.line);
    if (name === 'enter') return this.#answer(prompt, text);
    const [best] = prompt.choices ?? [];
    const line = name === 'tab' && best !== undefined ? lineOf(best) : editLine(prompt.line, name);
    if (line === prompt.line) return;
    const typed = textOf(line);
    const problem = prompt.typed?.(typed);
    const choices =
      prompt.choices === undefined
        ? undefined
        : targetsOf(this.state, typed).map(({ label }) => label);
    this.#prompt = { ...prompt, line, problem, ...(choices === undefined ? {} : { choices }) };
  }

  #answer(prompt: Prompt, text: string): void {
    if (prompt.problem !== undefined) return;
    this.#prompt = undefined;
    if (prompt.wanted !== '' && text.trim() !== prompt.wanted) {
      this.notice = { text: 'nothing was done', isProblem: false };
    } else if (text !== '' || prompt.typed !== undefined) prompt.done(text);
  }
}

function isMain({ view }: Place): boolean {
  return mainViews.some(([, one]) => one === view);
}

function newStop(place: Place): Stop {
  const sort = place.view === 'messages' ? undefined : views[place.view].sort;
  return {
    place,
    window: listStart,
    cursorId: undefined,
    filterText: '',
    filter: undefined,
    sort,
  };
}

/**
 * Keeps a `ClusterState` up to date. Machines are asked at every tick, lists of topics and groups seldom; what a
 * view shows of single topics and groups is asked for while it is in sight, a few a tick, and the backlog of
 * all groups in turn. So the cost does not grow with the number of topics.
 */
import type { AdminClient } from '../../client/admin-client.ts';
import { formatHostPort } from '../../platform/host-port.ts';
import { isSystemGroup } from '../../protocol/message/names.ts';
import type { Context } from '../shared/context.ts';
import { topicRows } from '../topic/topic-row.ts';
import { ClusterState } from './cluster-state.ts';
import { type LookPorts, lookAtGroup, looks } from './looks.ts';
import { addNameServers, askMachines, type Busy, lookAtMembers } from './machines.ts';
import type { Focus } from './view.ts';

/** Ticks between two looks at the lists of topics and groups. */
const inventoryEvery = 10;
/** Groups whose backlog is asked for at a tick, in turn. */
const sweepCount = 4;

export class ClusterSampler {
  readonly state = new ClusterState();
  readonly #ports: LookPorts;
  readonly #close: () => void;
  readonly #intervalMs: number;
  readonly #changed: () => void;
  readonly #busy: Busy = new Set();
  #focus: Focus = { view: 'overview', name: undefined, visible: [] };
  #ticks = 0;
  #sweepAt = 0;
  #isStopped = false;

  private constructor(
    ports: LookPorts,
    options: { readonly intervalMs: number; readonly changed: () => void; close(): void },
  ) {
    this.#ports = { ...ports, changed: () => this.#change() };
    this.#intervalMs = options.intervalMs;
    this.#changed = options.changed;
    this.#close = () => options.close();
  }

  /** `changed` is called after each change of the state. @throws RmqError when there is no cluster */
  static async open(
    context: Context,
    options: { readonly intervalMs: number; readonly changed: () => void },
  ): Promise<ClusterSampler> {
    const admin: AdminClient = await context.connect();
    await admin.members();
    const { unaryCalls } = await import('../shared/unary.ts');
    const { unary, close } = unaryCalls(context.timeoutMs);
    const nameservers = context.namesrv.addresses.map(formatHostPort);
    // What a helper would tell on stderr would stand in the middle of the screen.
    const quiet: Context = {
      ...context,
      stderr: { ...context.stderr, write: () => Promise.resolve() },
    };
    const ports = { context: quiet, admin, unary, clock: context.clock, nameservers };
    const sampler = new ClusterSampler({ ...ports, changed() {} }, { ...options, close });
    addNameServers(sampler.state, sampler.#ports);
    return sampler;
  }

  /** Asks now, and from then on at every tick. */
  start(): void {
    if (this.#isStopped) return;
    void this.tick();
    this.#ports.clock.setTimer(this.#intervalMs, () => this.start());
  }

  stop(): void {
    this.#isStopped = true;
    this.#close();
  }

  /** What is in sight from now on; asked for at once when the view is another. */
  focus(focus: Focus): void {
    const isOther = focus.view !== this.#focus.view || focus.name !== this.#focus.name;
    this.#focus = focus;
    if (isOther) void this.#look();
  }

  /** The lists, too, at the next tick. */
  refresh(): void {
    this.#ticks = 0;
    void this.tick();
  }

  /** One round; resolves when all but machines that do not answer have been asked. Never rejects. */
  async tick(): Promise<void> {
    const { state } = this;
    const isInventory = this.#ticks++ % inventoryEvery === 0;
    await this.#once('members', () => lookAtMembers(state, this.#ports));
    askMachines(state, this.#ports, this.#busy);
    if (isInventory) await this.#once('topics and groups', () => this.#inventory());
    await Promise.all([this.#look(), this.#once('backlog', () => this.#sweep())]);
    state.inHistory.push(state.rate('in') ?? 0);
    state.outHistory.push(state.rate('out') ?? 0);
    state.lagHistory.push(state.lag);
    this.#change();
  }

  #look(): Promise<void> {
    const focus = this.#focus;
    return this.#once(focus.view, async () => looks[focus.view]?.(this.state, focus, this.#ports));
  }

  /** Does it unless it is under way; what goes wrong is shown until it goes well. */
  async #once(what: string, run: () => Promise<unknown>): Promise<void> {
    if (this.#isStopped || this.#busy.has(what)) return;
    this.#busy.add(what);
    try {
      await run();
      this.state.troubles.delete(what);
    } catch (thrown) {
      const text = thrown instanceof Error ? thrown.message : String(thrown);
      this.state.troubles.set(what, text);
    } finally {
      this.#busy.delete(what);
      this.#change();
    }
  }

  async #inventory(): Promise<void> {
    const { admin, clock } = this.#ports;
    const { state } = this;
    const topics = await topicRows(admin);
    const groups = await admin.listGroups();
    tellChanges(state, clock.nowMs(), {
      topics: topics.filter(({ isSystem }) => !isSystem).map(({ topic }) => topic),
      groups: [...groups.keys()],
    });
    state.topics = topics;
    state.groups = groups;
    forget(state.topicStats, new Set(topics.map(({ topic }) => topic)));
    forget(state.producersOf, new Set(topics.map(({ topic }) => topic)));
    forget(state.groupStats, groups);
    forget(state.deadLetters, groups);
  }

  async #sweep(): Promise<void> {
    const names = [...this.state.groups.keys()].filter((group) => !isSystemGroup(group));
    const count = Math.min(sweepCount, names.length);
    for (let index = 0; index < count; index++) {
      const group = names[(this.#sweepAt + index) % names.length];
      if (group !== undefined) await lookAtGroup(this.state, group, this.#ports);
    }
    this.#sweepAt = names.length === 0 ? 0 : (this.#sweepAt + count) % names.length;
  }

  #change(): void {
    this.state.version++;
    if (!this.#isStopped) this.#changed();
  }
}

function forget(known: Map<string, unknown>, there: { has(name: string): boolean }): void {
  for (const name of known.keys()) if (!there.has(name)) known.delete(name);
}

/** Topics and groups that were made and deleted since the last look; nothing at the first. */
function tellChanges(
  state: ClusterState,
  atMs: number,
  now: { readonly topics: readonly string[]; readonly groups: readonly string[] },
): void {
  if (state.topics.length === 0) return;
  const tell = (kind: string, before: ReadonlySet<string>, after: ReadonlySet<string>): void => {
    const come = [...after].filter((name) => !before.has(name));
    const gone = [...before].filter((name) => !after.has(name));
    for (const name of come) {
      state.tell({ atMs, tone: 'plain', text: `${kind} ${name} was created` });
    }
    for (const name of gone) {
      state.tell({ atMs, tone: 'warning', text: `${kind} ${name} was deleted` });
    }
  };
  const before = state.topics.filter(({ isSystem }) => !isSystem).map(({ topic }) => topic);
  tell('topic', new Set(before), new Set(now.topics));
  tell('group', new Set(state.groups.keys()), new Set(now.groups));
}

/** What a view is: a table, with a few rows above it. Pure: it shows a `ClusterState` and asks for nothing. */
import type { Span } from '../terminal/rows.ts';
import type { Tone } from '../terminal/theme.ts';
import type { ClusterState } from './cluster-state.ts';

export const viewNames = [
  'overview',
  'topics',
  'topic',
  'groups',
  'group',
  'clients',
  'dlq',
  'pending',
  'events',
  'machine',
  'messages',
] as const;
export type ViewName = (typeof viewNames)[number];

/** Where one is: a view and, of those that show one thing, which. */
export interface Place {
  readonly view: ViewName;
  /** Topic, group, machine id. */
  readonly name?: string;
}

/** What is in sight. */
export interface Focus {
  readonly view: ViewName;
  readonly name: string | undefined;
  /** Ids of the rows that are visible. */
  readonly visible: readonly string[];
}

/** What rows are made from. */
export interface Scene {
  readonly state: ClusterState;
  readonly place: Place;
  /** Unix ms. */
  readonly nowMs: number;
  readonly columns: number;
}

export interface ViewColumn<Row> {
  readonly title: string;
  readonly align?: 'right';
  /** Left out where there is no room, the highest first. */
  readonly rank?: number;
  value(row: Row, scene: Scene): string;
  /** What it is sorted by; the text when left out. */
  order?(row: Row, scene: Scene): number | string;
  tone?(row: Row, scene: Scene): Tone | undefined;
}

/** What can be done to a row; `actions.ts` does it. */
export type RowAction =
  | 'messages'
  | 'redrive'
  | 'reset-offset'
  | 'delete-topic'
  | 'delete-group'
  | 'drain';

export interface View<Row> {
  /** Of the bar on top. */
  title(place: Place): string;
  readonly columns: readonly ViewColumn<Row>[];
  rows(scene: Scene): readonly Row[];
  /** The same row keeps it; also its name when it is copied. */
  idOf(row: Row): string;
  head?(scene: Scene): readonly (readonly Span[])[];
  /** Where Enter leads. */
  open?(row: Row): Place | undefined;
  readonly actions: readonly RowAction[];
  /** What an action is about; `idOf` when left out. */
  targetOf?(row: Row, place: Place): string;
  /** Column that it is sorted by at first, and how; rows as they come when left out. */
  readonly sort?: Sort;
  /** Said when there are no rows. */
  readonly empty: string;
}

export interface Sort {
  readonly column: number;
  readonly isDescending: boolean;
}

/** A view whose rows are its own business. */
export type AnyView = View<unknown>;

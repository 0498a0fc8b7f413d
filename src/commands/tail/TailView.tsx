/** The viewer as a component: give it a controller and its place. */
import type { ReactElement } from 'react';
import { Rows } from '../terminal/components.tsx';
import type { Theme } from '../terminal/theme.ts';
import type { TailController } from './controller.ts';
import { tailRows } from './list-view.ts';

/** Keys are its owner's to hand on (`controller.key`). */
export function TailView(props: {
  readonly controller: TailController;
  readonly theme: Theme;
  readonly columns: number;
  readonly rows: number;
}): ReactElement {
  const { controller, theme, columns, rows } = props;
  return <Rows rows={tailRows(controller, theme, { columns, rows })} />;
}

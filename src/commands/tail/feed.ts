/** From the reader to the model: goes on as long as there is room, and skips what it could never show. */
import type { Clock } from '../../platform/clock.ts';
import { asRmqError } from '../../protocol/errors.ts';
import type { TailController } from './controller.ts';
import type { TailSession } from './session.ts';

/** A list that follows and is that far behind goes on near the end. */
const behindMax = 20_000;
const keptWhenSkipping = 2_000;
/** How often a full list is looked at. */
const fullPauseMs = 100;

/** Runs until the reader ends. Never rejects: a failure is told in the controller's `trouble`. */
export async function feedModel(
  session: TailSession,
  controller: TailController,
  ports: { readonly clock: Clock; readonly changed: () => void },
): Promise<void> {
  const { model } = controller;
  const { clock, changed } = ports;
  const { reader, condition } = session;
  const take = (entries: TailSession['newest'], seenCount: number): void => {
    const wanted = condition === undefined ? entries : entries.filter(condition);
    model.take(wanted, seenCount, clock.nowMs());
    changed();
  };
  take(session.newest, session.newest.length);
  try {
    for (;;) {
      while (model.isFull && !model.isFollowing) {
        controller.behindCount = reader.behindCount;
        await new Promise<void>((resolve) => clock.setTimer(fullPauseMs, resolve));
      }
      const batch = await reader.next();
      if (batch === undefined) return;
      take(batch.entries, batch.seenCount);
      controller.behindCount = reader.behindCount;
      if (!model.isFollowing || controller.behindCount <= behindMax) continue;
      model.skippedCount += reader.skipToEnd(keptWhenSkipping);
    }
  } catch (error) {
    const { message, hint } = asRmqError(error);
    controller.trouble = `reading ended: ${message}${hint === undefined ? '' : ` (${hint})`}`;
    changed();
  }
}

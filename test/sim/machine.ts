/**
 * A simulated computer: a disk, a database, and at most one living process. The process is whatever
 * the workload builds from the ports of `boot()`; `kill()` ends it as `kill -9` does, `cutPower()`
 * as pulling the plug does.
 */
import type { Clock } from '../../src/platform/clock.ts';
import type { Files } from '../../src/platform/files.ts';
import type { Random } from '../../src/platform/random.ts';
import type { LogFields, Logger } from '../../src/server/shared/logger.ts';
import type { Database } from '../../src/server/store/index/database.ts';
import { SimClock } from './clock.ts';
import { DatabaseDisk, SimDatabase } from './database.ts';
import { SimDisk } from './disk.ts';
import { type DiskFaults, noFaults } from './faults.ts';
import { type Hardware, SimFiles } from './files.ts';
import { Incarnation } from './incarnation.ts';
import type { SimRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** What production code gets. All of it is inert once the incarnation has died. */
export interface SimPorts {
  readonly incarnation: Incarnation;
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly logger: Logger;
  /** A new handle on the machine's database. */
  openDatabase(): Database;
}

export class Machine {
  readonly hardware: Hardware;
  readonly database = new DatabaseDisk();
  incarnation: Incarnation | undefined;
  /** When the newest process to die did. */
  diedAtUs = 0;
  #bootCount = 0;

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly random: SimRandom;
    readonly trace: Trace;
  }) {
    const disk = new SimDisk();
    this.hardware = { ...options, disk, faults: { ...noFaults } };
  }

  setFaults(faults: DiskFaults): void {
    this.hardware.faults = faults;
  }

  /** Starts a process; the one before must be dead. */
  boot(): SimPorts {
    this.incarnation?.die();
    this.#bootCount += 1;
    const incarnation = new Incarnation(this.#bootCount);
    this.incarnation = incarnation;
    incarnation.onDeath(() => {
      this.diedAtUs = this.hardware.scheduler.nowUs;
      this.#note('dead');
    });
    const { hardware, database } = this;
    hardware.trace.note(hardware.scheduler.nowUs, `boot ${this.#bootCount}`);
    return {
      incarnation,
      clock: new SimClock(hardware.scheduler, incarnation),
      files: new SimFiles(hardware, incarnation),
      random: hardware.random.fork(`process ${this.#bootCount}`),
      logger: traceLogger(hardware, incarnation, ''),
      openDatabase: () => new SimDatabase(database, hardware, incarnation) as unknown as Database, // as level's is
    };
  }

  /** The process is gone; the kernel goes on and keeps what was written. */
  kill(): void {
    this.#note('kill');
    this.incarnation?.die();
  }

  /** The process and the page cache are gone. */
  cutPower(): void {
    this.#note('power cut');
    this.incarnation?.die();
    this.hardware.disk.powerCut(this.hardware.random);
    this.database.powerCut(this.hardware.random);
  }

  #note(text: string): void {
    this.hardware.trace.note(this.hardware.scheduler.nowUs, text);
  }
}

/** A log that becomes part of the trace. */
function traceLogger(hardware: Hardware, incarnation: Incarnation, part: string): Logger {
  const at = (level: string) => (text: string, fields?: LogFields) => {
    if (!incarnation.isAlive) return;
    const more = fields === undefined ? '' : ` ${JSON.stringify(fields)}`;
    hardware.trace.note(hardware.scheduler.nowUs, `${level} ${part}${text}${more}`);
  };
  return {
    error: at('ERROR'),
    warn: at('WARN'),
    info: at('INFO'),
    debug: at('DEBUG'),
    setLevel: () => {},
    named: (name) => traceLogger(hardware, incarnation, `${part}${name}: `),
  };
}

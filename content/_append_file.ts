import { breathe } from "./_context.ts";

/** Small chunks are gathered to so much: a call costs more than copying does. */
const BUFFER = 1024 * 1024;
/** From here on copying costs more than a call. */
const LARGE = 128 * 1024;
/**
 * A write that takes longer than this, in milliseconds, waits for the disk: the next ones are left to another thread. The others
 * only copy to memory, and the way to another thread and back would take longer.
 */
const SLOW = 10;
const ASIDE = 32;
/** How often a file that grows by itself is looked at, in milliseconds. */
const LOOK = 20;
/** Writing back to the disk starts each time so much is new, so that the last sync finds little to do. */
const WRITE_BACK = 32 * 1024 * 1024;

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done));
  }
}

/** Appends to a file: gathers small chunks, and writes while the caller goes on. */
export class AppendFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #buffer: Uint8Array | undefined;
  #spare: Uint8Array | undefined;
  #fill = 0;
  #flight: Promise<void> | undefined;
  #sync: Promise<void> | undefined;
  #synced: number;
  #written: number;
  /** How much was written when the event loop had its last turn. */
  #turned: number;
  #inFlight = 0;
  /** So many writes are left to another thread. */
  #aside = 0;
  #error: unknown;
  readonly #onDurable: (offset: number) => void;

  /**
   * @param file Open at its end.
   * @param options How long it is, and what to call once so much is durable.
   */
  constructor(
    file: Deno.FsFile,
    options: {
      path: string;
      size: number;
      onDurable: (offset: number) => void;
    },
  ) {
    this.#file = file;
    this.#path = options.path;
    this.#written = options.size;
    this.#synced = options.size;
    this.#turned = options.size;
    this.#onDurable = options.onDurable;
  }

  /** How long the file is. */
  get written(): number {
    return this.#written;
  }

  /** How long it will be once all is written. */
  get size(): number {
    return this.#written + this.#inFlight + this.#fill;
  }

  #launch(bytes: Uint8Array): void {
    if (this.#aside === 0) {
      this.#writeNow(bytes);
      return;
    }
    this.#aside--;
    this.#inFlight = bytes.length;
    this.#flight = writeAll(this.#file, bytes).then(
      () => this.#wrote(bytes.length),
      (error) => {
        this.#error ??= error;
      },
    ).finally(() => {
      this.#inFlight = 0;
      this.#flight = undefined;
    });
  }

  #writeNow(bytes: Uint8Array): void {
    const start = performance.now();
    try {
      for (let done = 0; done < bytes.length;) {
        done += this.#file.writeSync(bytes.subarray(done));
      }
      this.#wrote(bytes.length);
    } catch (error) {
      this.#error ??= error;
    }
    if (performance.now() - start > SLOW) this.#aside = ASIDE;
  }

  #wrote(count: number): void {
    this.#written += count;
    if (this.#written - this.#synced >= WRITE_BACK) this.#startSync();
  }

  /** In the background, by another descriptor: calls on one wait for each other. */
  #startSync(): void {
    if (this.#sync !== undefined) return;
    const offset = this.#written;
    const sync = async () => {
      // Not later: a caller that only computes gives the event loop no turn.
      using file = Deno.openSync(this.#path);
      await file.syncData();
      this.#synced = offset;
      this.#onDurable(offset);
    };
    this.#sync = sync().catch((error) => {
      this.#error ??= error;
    }).finally(() => {
      this.#sync = undefined;
    });
  }

  #check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Waits for what is on its way. */
  async settle(): Promise<void> {
    await this.#flight;
    this.#check();
  }

  /** Appends bytes; they may be changed once it is done, though not all of them need be written by then. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#check();
    if (bytes.length >= LARGE) {
      await this.flush();
      this.#launch(bytes);
      await this.settle();
    } else await this.#gather(bytes);
    if (this.#written - this.#turned < WRITE_BACK) return;
    // Otherwise the end of a sync would go unnoticed, and the next one not begin.
    this.#turned = this.#written;
    await breathe();
  }

  /**
   * Appends a stream that the runtime has the source of to its end: `onGrowth` is called now and then, and a last time
   * before this ends. After the signal nothing is written any more.
   */
  async appendFrom(
    body: ReadableStream<Uint8Array>,
    { signal, onGrowth }: { signal: AbortSignal; onGrowth: () => void },
  ): Promise<void> {
    await this.flush();
    let failure: { readonly error: unknown } | undefined;
    const look = () => {
      try {
        const { size } = Deno.statSync(this.#path);
        if (size === this.#written) return;
        this.#wrote(size - this.#written);
        onGrowth();
      } catch (error) {
        failure ??= { error };
      }
    };
    // By a descriptor of its own, as the stream of a file ends with the file: it keeps small chunks back until then.
    const file = await Deno.open(this.#path, { append: true });
    const timer = setInterval(look, LOOK);
    try {
      await body.pipeTo(file.writable, { signal });
    } finally {
      clearInterval(timer);
      look();
      await this.#file.seek(0, Deno.SeekMode.End);
    }
    if (failure !== undefined) throw failure.error;
    this.#check();
  }

  async #gather(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      this.#buffer ??= new Uint8Array(BUFFER);
      const count = Math.min(BUFFER - this.#fill, bytes.length - done);
      this.#buffer.set(bytes.subarray(done, done + count), this.#fill);
      this.#fill += count;
      done += count;
      if (this.#fill < BUFFER) return;
      await this.settle();
      const full = this.#buffer;
      this.#buffer = this.#spare;
      this.#spare = full;
      this.#fill = 0;
      this.#launch(full);
    }
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    await this.settle();
    if (this.#fill === 0) return;
    const bytes = this.#buffer!.subarray(0, this.#fill);
    this.#fill = 0;
    this.#launch(bytes);
    await this.settle();
  }

  /** Writes all and makes it durable. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#sync;
    this.#check();
    await this.#file.syncData();
    this.#synced = this.#written;
  }

  /** Cuts the file; nothing may be on its way. */
  async truncate(size: number): Promise<void> {
    await this.flush();
    await this.#sync;
    await this.#file.truncate(size);
    await this.#file.seek(size, Deno.SeekMode.Start);
    this.#written = size;
    this.#turned = size;
    this.#synced = Math.min(this.#synced, size);
  }

  /** Waits until nothing is on its way, whatever became of it. */
  async idle(): Promise<void> {
    await this.#flight;
    await this.#sync;
  }
}

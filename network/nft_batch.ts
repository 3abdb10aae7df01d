/**
 * Changing nftables.
 *
 * @module
 */

import type { Wire } from "./_exchange.ts";
import { writeComment } from "./_nft_comment.ts";
import { writeExpressions } from "./_nft_codec.ts";
import { nftFamily, nftType } from "./_nft_message.ts";
import { writeElement, writeSet } from "./_nft_set.ts";
import type { Way } from "./_pace.ts";
import type { MessageWriter } from "./message_writer.ts";
import type { NftExpression } from "./nft_expression.ts";
import type {
  NftBaseChain,
  NftElement,
  NftFamily,
  NftHook,
  NftSetSpec,
} from "./nft_types.ts";

const CREATE = 0x400;
const EXCL = 0x200;
const APPEND = 0x800;
const HOOKS: Readonly<Record<NftHook, number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};
const TABLE_OWNER = 2;
/** A list of elements is an attribute, and so below 64 KiB; the largest element has about 230 bytes. */
const ELEMENTS_PER_MESSAGE = 250;

/**
 * Changes to one table of nftables, to be made all or not at all by
 * `NftSocket.commit()`.
 *
 * @example Usage
 * ```ts ignore
 * import { NftBatch, NftSocket } from "@containerkit/network";
 *
 * using nft = new NftSocket();
 * const batch = new NftBatch("inet", "mine");
 * batch.createTable();
 * batch.createChain("forward", { type: "filter", hook: "forward", priority: 0 });
 * batch.appendRule("forward", [{ type: "counter" }], { comment: "all" });
 * await nft.commit(batch);
 * ```
 */
export class NftBatch {
  /** The family of the table. */
  readonly family: NftFamily;
  /** The table. */
  readonly table: string;
  /** @internal What will be sent. */
  readonly wires: Wire[] = [];
  #sets = 0;

  /**
   * Starts an empty batch.
   *
   * @param family The family of the table.
   * @param table The name of the table.
   */
  constructor(family: NftFamily, table: string) {
    this.family = family;
    this.table = table;
  }

  /** Whether there is nothing to do. */
  get isEmpty(): boolean {
    return this.wires.length === 0;
  }

  #add(
    operation: string,
    message: {
      type: Parameters<typeof nftType>[0];
      flags?: number;
      way?: Way;
    },
    body: (writer: MessageWriter) => void,
  ): void {
    this.wires.push({
      operation: `${operation} in table ${this.family} "${this.table}"`,
      type: nftType(message.type),
      flags: message.flags ?? 0,
      way: message.way ?? "either",
      body: (writer) => {
        writer.u8(nftFamily(this.family)).u8(0).be16(0);
        writer.string(1, this.table);
        body(writer);
      },
    });
  }

  /**
   * Makes the table; one that exists stays as it is.
   *
   * @param options Whether it goes when the socket is closed; nobody else can change it.
   */
  createTable(options: { readonly owned?: boolean } = {}): void {
    this.#add(
      "create it",
      { type: "NEWTABLE", flags: CREATE },
      (writer) => writer.attributeBe32(2, options.owned ? TABLE_OWNER : 0),
    );
  }

  /** Deletes the table with all that is in it; one that is missing is an error. */
  deleteTable(): void {
    this.#add("delete it", { type: "DELTABLE", way: "elsewhere" }, () => {});
  }

  /**
   * Makes a chain; one that exists stays as it is.
   *
   * @param name Its name.
   * @param base Where the kernel calls it; without that other chains jump to it.
   */
  createChain(name: string, base?: NftBaseChain): void {
    this.#add(
      `create chain "${name}"`,
      { type: "NEWCHAIN", flags: CREATE },
      (writer) => {
        writer.string(3, name);
        if (base === undefined) return;
        writer.nest(4, () => {
          writer.attributeBe32(1, HOOKS[base.hook]);
          writer.attributeBe32(2, base.priority);
        });
        writer.attributeBe32(5, base.policy === "drop" ? 0 : 1);
        writer.string(7, base.type);
      },
    );
  }

  /**
   * Deletes a chain without rules.
   *
   * @param name Its name.
   */
  deleteChain(name: string): void {
    this.#add(
      `delete chain "${name}"`,
      { type: "DELCHAIN", way: "elsewhere" },
      (writer) => writer.string(3, name),
    );
  }

  /**
   * Adds a rule at the end of a chain.
   *
   * @param chain The chain.
   * @param expressions What it does.
   * @param options A text of up to 127 bytes that `nft` shows.
   */
  appendRule(
    chain: string,
    expressions: readonly NftExpression[],
    options: { readonly comment?: string } = {},
  ): void {
    const { comment } = options;
    const name = comment === undefined ? "a rule" : `rule "${comment}"`;
    this.#add(
      `add ${name} to chain "${chain}"`,
      { type: "NEWRULE", flags: CREATE | APPEND },
      (writer) => {
        writer.string(2, chain);
        writer.nest(4, () => writeExpressions(writer, expressions));
        if (comment !== undefined) writeComment(writer, { type: 7, comment });
      },
    );
  }

  /**
   * Deletes a rule, or all rules of a chain.
   *
   * @param chain The chain.
   * @param handle Which rule, as listed; without it all.
   */
  deleteRules(chain: string, handle?: bigint): void {
    this.#add(
      `delete rules of chain "${chain}"`,
      { type: "DELRULE" },
      (writer) => {
        writer.string(2, chain);
        if (handle !== undefined) writer.attributeBe64(3, handle);
      },
    );
  }

  /**
   * Makes a set or a map; one that exists and holds the same stays as it is.
   *
   * @param name Its name.
   * @param spec What it holds.
   */
  createSet(name: string, spec: NftSetSpec): void {
    const id = ++this.#sets;
    this.#add(
      `create set "${name}"`,
      { type: "NEWSET", flags: CREATE },
      (writer) => {
        writer.string(2, name);
        writeSet(writer, spec);
        writer.attributeBe32(10, id);
      },
    );
  }

  /**
   * Deletes a set or map that no rule uses.
   *
   * @param name Its name.
   */
  deleteSet(name: string): void {
    this.#add(
      `delete set "${name}"`,
      { type: "DELSET" },
      (writer) => writer.string(2, name),
    );
  }

  /**
   * Adds elements; one whose key is there already is an error.
   *
   * @param set The set or map.
   * @param elements The elements.
   */
  addElements(set: string, elements: readonly NftElement[]): void {
    this.#elements("add", set, elements);
  }

  /**
   * Deletes elements. The kernel looks at their keys only: to be sure of what
   * is deleted, list before and commit with that generation.
   *
   * @param set The set or map.
   * @param elements The elements; one that is missing is an error.
   */
  deleteElements(set: string, elements: readonly NftElement[]): void {
    this.#elements("delete", set, elements);
  }

  #elements(
    verb: "add" | "delete",
    set: string,
    elements: readonly NftElement[],
  ): void {
    for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE) {
      const part = elements.slice(at, at + ELEMENTS_PER_MESSAGE);
      this.#add(
        `${verb} elements of set "${set}"`,
        verb === "add"
          ? { type: "NEWSETELEM", flags: CREATE | EXCL }
          : { type: "DELSETELEM" },
        (writer) => {
          writer.string(2, set);
          writer.nest(3, () => {
            for (const element of part) {
              writer.nest(1, () => writeElement(writer, element));
            }
          });
        },
      );
    }
  }
}

import { checkLinkName } from "./_link_message.ts";
import { type CheckedPort, expandPorts } from "./_nat_ports.ts";
import {
  BASE_RULES,
  bridgeRules,
  isolationRule,
  isRuleOf,
  type NatRule,
} from "./_nat_rules.ts";
import type { NatEntries } from "./nat_entries.ts";
import { formatPrefix, networkOf, parsePrefix } from "./prefix.ts";
import type { PublishedPort } from "./published_port.ts";

/** Entries, checked and as they stand in the kernel. */
export interface NatState {
  readonly rules: readonly NatRule[];
  readonly isolated: readonly string[];
  readonly ports: readonly CheckedPort[];
}

/** Checks entries. */
export function toState(entries: NatEntries): NatState {
  const { bridges = [], isolate = [], publish = [] } = entries;
  for (const { bridge } of bridges) checkLinkName(bridge);
  isolate.forEach(checkLinkName);
  return {
    rules: [
      ...BASE_RULES,
      ...bridges.flatMap(({ bridge, subnet, outbound = true }) =>
        bridgeRules({
          bridge,
          outbound,
          subnet: formatPrefix(networkOf(parsePrefix(subnet))),
        })
      ),
      ...isolate.map(isolationRule),
    ],
    isolated: isolate,
    ports: publish.flatMap(expandPorts),
  };
}

/** What shall be in the kernel, as far as one program is concerned. */
export class NatMemory {
  readonly #states = new Set<NatState>();

  /** Remembers, until the result is disposed. */
  add(state: NatState): Disposable {
    this.#states.add(state);
    return { [Symbol.dispose]: () => void this.#states.delete(state) };
  }

  /** All that is remembered; nothing twice. */
  get all(): NatState {
    const states = [...this.#states];
    const ports = states.flatMap(({ ports }) => ports);
    return {
      rules: states.flatMap(({ rules }) => rules),
      isolated: [...new Set(states.flatMap(({ isolated }) => isolated))],
      ports: ports.filter((port, index) =>
        ports.findIndex((one) => isSame(one, port)) === index
      ),
    };
  }

  /** Forgets ports. */
  forgetPorts(fits: (port: PublishedPort) => boolean): void {
    this.#change((state) => ({
      ...state,
      ports: state.ports.filter((port) => !fits(port)),
    }));
  }

  /** Forgets what is there for a bridge. */
  forgetBridge(bridge: string): void {
    this.#change((state) => ({
      ...state,
      rules: state.rules.filter(({ comment }) => !isRuleOf(bridge, comment)),
      isolated: state.isolated.filter((name) => name !== bridge),
    }));
  }

  #change(change: (state: NatState) => NatState): void {
    // In place: who holds a state forgets the changed one too.
    for (const state of this.#states) Object.assign(state, change(state));
  }
}

/** Whether both are the same port and lead to the same place. */
export function isSame(a: PublishedPort, b: PublishedPort): boolean {
  return a.protocol === b.protocol && a.hostAddress === b.hostAddress &&
    a.hostPort === b.hostPort && a.target === b.target &&
    a.targetPort === b.targetPort && a.owner === b.owner;
}

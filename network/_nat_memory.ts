import { checkConfinedLink } from "./_confinement_check.ts";
import { checkLinkName } from "./_link_message.ts";
import { type CheckedPort, expandPorts } from "./_nat_ports.ts";
import {
  BASE_RULES,
  bridgeRules,
  isolationRule,
  isRuleOf,
  type NatRule,
} from "./_nat_rules.ts";
import type { ConfinedLink, ConfinedLinkName } from "./confinement.ts";
import type { NatEntries } from "./nat_entries.ts";
import { formatPrefix, networkOf, parsePrefix } from "./prefix.ts";
import type { PublishedPort } from "./published_port.ts";

/** Entries, checked and as they stand in the kernel. */
export interface NatState {
  readonly rules: readonly NatRule[];
  readonly isolated: readonly string[];
  readonly ports: readonly CheckedPort[];
  readonly confined: readonly ConfinedLink[];
}

/** Checks entries. */
export function toState(entries: NatEntries): NatState {
  const { bridges = [], isolate = [], publish = [], confine = [] } = entries;
  for (const { bridge } of bridges) checkLinkName(bridge);
  isolate.forEach(checkLinkName);
  const isNothing = bridges.length + isolate.length + publish.length === 0;
  return {
    rules: [
      ...isNothing ? [] : BASE_RULES,
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
    confined: confine.map(checkConfinedLink),
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
    const confined = states.flatMap(({ confined }) => confined);
    return {
      rules: states.flatMap(({ rules }) => rules),
      isolated: [...new Set(states.flatMap(({ isolated }) => isolated))],
      ports: [...new Map(ports.map((port) => [portKey(port), port])).values()],
      confined: [...new Map(confined.map((one) => [one.link, one])).values()],
    };
  }

  /** Forgets ports. */
  forgetPorts(fits: (port: PublishedPort) => boolean): void {
    this.#change((state) => ({
      ...state,
      ports: state.ports.filter((port) => !fits(port)),
    }));
  }

  /** Forgets links that are confined no more. */
  forgetConfined(fits: (link: ConfinedLinkName) => boolean): void {
    this.#change((state) => ({
      ...state,
      confined: state.confined.filter((link) => !fits(link)),
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
    for (const state of this.#states) {
      // In place: who holds a state forgets the changed one too.
      const { rules, ports, isolated, confined } = Object.assign(
        state,
        change(state),
      );
      const isEmpty = ports.length + isolated.length + confined.length === 0 &&
        rules.every((rule) => BASE_RULES.includes(rule));
      if (isEmpty) this.#states.delete(state);
    }
  }
}

function portKey(port: PublishedPort): string {
  const { protocol, hostAddress, hostPort, target, targetPort, owner } = port;
  return [protocol, hostAddress, hostPort, target, targetPort, owner].join(" ");
}

/** Whether both are the same port and lead to the same place. */
export function isSame(a: PublishedPort, b: PublishedPort): boolean {
  return portKey(a) === portKey(b);
}

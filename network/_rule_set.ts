import type { NatRule } from "./_nat_rules.ts";
import type { ConfinedLink } from "./confinement.ts";
import type {
  NftBaseChain,
  NftElement,
  NftFamily,
  NftSetSpec,
} from "./nft_types.ts";

/** What shall be in a table. */
export interface RuleSet {
  readonly family: NftFamily;
  readonly chains: Readonly<Record<string, NftBaseChain | undefined>>;
  readonly sets: Readonly<Record<string, NftSetSpec>>;
  /** In their order; the comment tells one from the others of its chain. */
  readonly rules: readonly NatRule[];
  readonly elements: readonly RuleSetElement[];
}

/** An element that is there for a link. */
export interface RuleSetElement {
  readonly set: string;
  readonly of: ConfinedLink;
  readonly element: NftElement;
}

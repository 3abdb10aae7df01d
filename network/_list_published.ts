import { listPorts, type NatView } from "./_nat_plan.ts";
import { PORT_MAPS } from "./_nat_ports.ts";
import type { PublishedPort } from "./published_port.ts";

/** The ports that are published, by anyone. */
export async function listPublished(view: NatView): Promise<PublishedPort[]> {
  const ports: PublishedPort[] = [];
  for (const map of PORT_MAPS) {
    const found = await listPorts(view, map);
    ports.push(...found.map(({ port }) => port));
  }
  return ports;
}

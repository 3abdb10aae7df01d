import { MessageWriter } from "./message_writer.ts";

/** One that grew beyond this is not kept: most messages are short. */
const LARGEST = 16_384;

let spare: MessageWriter | undefined;

/** Gives an empty writer; that of an earlier conversation if it was given back. */
export function takeWriter(): MessageWriter {
  const writer = spare ?? new MessageWriter();
  spare = undefined;
  return writer;
}

/** Gives a writer back, once nobody reads what it wrote any more. */
export function giveWriter(writer: MessageWriter): void {
  if (writer.length > LARGEST) return;
  writer.clear();
  spare = writer;
}

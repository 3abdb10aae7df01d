import { openStore } from "./mod.ts";
import { contentSuite } from "./testing.ts";

contentSuite("openStore()", openStore);

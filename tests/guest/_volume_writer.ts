// deno-lint-ignore-file no-console
/** Makes and removes volumes until the power is cut, and says what is done; or looks at what is there afterwards. */
import { openVolumes } from "@containerkit/volume";

const [root, what] = Deno.args;
const options = { root: root!, state: "/run/containerkit" };

/** What a volume is made with, by its number: to be found again as it was. */
function given(number: number) {
  return {
    owner: { uid: number, gid: number + 1 },
    mode: 0o700 | number % 8,
  };
}

await using volumes = await openVolumes(options);
if (what === "look") {
  const found = volumes.list().map(({ name }) => {
    const number = Number(name.slice(1));
    const row = [...Deno.readDirSync(`${root}/volumes/data`)].find(
      ({ name }) => {
        const { uid, gid, mode } = Deno.statSync(
          `${root}/volumes/data/${name}`,
        );
        const { owner } = given(number);
        return uid === owner.uid && gid === owner.gid &&
          (mode! & 0o7777) === given(number).mode;
      },
    );
    return { number, isWhole: row !== undefined };
  });
  console.log(`found ${JSON.stringify(found)}`);
  const folders = [...Deno.readDirSync(`${root}/volumes/data`)].length;
  const trash = [...Deno.readDirSync(`${root}/volumes/trash`)].length;
  console.log(`folders ${folders} trash ${trash}`);
} else {
  for (let number = 1;; number++) {
    await volumes.create(`v${number}`, given(number));
    console.log(`made ${number}`);
    if (number % 3 !== 0) continue;
    await volumes.remove(`v${number - 1}`);
    console.log(`removed ${number - 1}`);
  }
}

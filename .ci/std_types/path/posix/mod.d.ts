export * from "./basename.d.ts";
export * from "./dirname.d.ts";
export * from "./extname.d.ts";
export * from "./join.d.ts";
export * from "./normalize.d.ts";
export * from "./resolve.d.ts";
export * from "./relative.d.ts";
export * from "./is_absolute.d.ts";

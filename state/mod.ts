/**
 * One way to keep state: SQLite, migrations, intent rows, locks.
 *
 * @module
 */

export {};

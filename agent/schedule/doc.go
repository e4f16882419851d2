// Package schedule decides when the daemon runs which job, and runs it: by a
// schedule, by a hook, after what was missed, and again after failures.
//
// It does not know what a job does, so it is not the place for anything about
// sources, targets or plans; the daemon in cmd hands it functions. It reads no
// configuration file and serves no endpoint. What a cron expression means is
// configs.Schedule, which wraps robfig/cron's parser and its times.
//
// # What holds
//
//   - A job runs once at a time, and so does what shares a lane with it. Jobs
//     that wait for a lane start in the order in which they came due.
//   - Every scheduled moment, called a fire here, is answered by one start, or
//     it is counted as skipped (the job was running, waiting or in quarantine) or
//     as missed (nobody was there, and the policy says skip). Restarts and
//     clocks that jump change nothing about that: the memory says which fire was
//     answered last.
//   - A hook that was accepted is followed by a run that begins after it and
//     ends. A run that the end of the process cut off is a failure, and made up
//     for by one more.
//   - A job that keeps failing is put in quarantine, for longer each time, and
//     tried again by itself.
//
// Times are the clock on the wall's, and waits are cut into short ones, so that
// a machine that slept, or whose clock was set, is noticed within half a minute.
package schedule

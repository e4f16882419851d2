// Command scimsync-soak lets the daemon follow a source that keeps changing for a
// long time, restarts it meanwhile, and judges what it did: make soak SOAKTIME=1h.
//
// It starts the sandbox of each source with churn and the daemon on the
// configuration that the sandbox wrote, calls hooks, stops the daemon with SIGTERM
// and sometimes kills it, and at the end stops the churn and waits. Then it demands
// that source and application agree, that no run was missed, doubled or ran beside
// another, that every accepted hook was followed by a run, that clean stops ended
// with 0, and that memory and goroutines did not grow. It ends with 0 when all
// holds, with 1 and a list when something does not.
//
// It sees the program from outside: processes, their logs and answers, and the
// runs in the state file. It is for developers and CI and no part of the product.
package main

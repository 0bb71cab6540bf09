// For tests on the real kernel: a network namespace that lives as long as the object.
#pragma once

#include "util/syscall.h"

#include <csignal>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rdmalab::plugin::testing {

class PodNetns {
public:
    PodNetns() {
        int ready[2];
        checked("pipe", pipe(ready));
        pid_ = checked("fork", fork());
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            const char answer = unshare(CLONE_NEWNET) == 0 ? '1' : '0';
            (void)!write(ready[1], &answer, 1);
            for (;;)
                pause();
        }
        close(ready[1]);
        char answer = '0';
        (void)!read(ready[0], &answer, 1);
        close(ready[0]);
        usable_ = answer == '1';
    }
    ~PodNetns() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    PodNetns(const PodNetns&) = delete;
    PodNetns& operator=(const PodNetns&) = delete;

    bool usable() const { return usable_; }
    std::string path() const { return "/proc/" + std::to_string(pid_) + "/ns/net"; }

private:
    pid_t pid_ = 0;
    bool usable_ = false;
};

} // namespace rdmalab::plugin::testing

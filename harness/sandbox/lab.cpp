#include "harness/sandbox/lab.h"

#include "harness/sandbox/root_filesystem.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rdmalab::harness {

namespace {

// An existing directory to put the lab's tmpfs on; in the lab's own mount namespace, so the machine never sees it.
const char* const labBase = "/tmp";

// Dies with the parent. The parent may be gone before prctl: then nobody holds the other end of the pipe.
void dieWithParent(int parentAlive) {
    checked("prctl PDEATHSIG", ::prctl(PR_SET_PDEATHSIG, SIGKILL));
    pollfd hangup{parentAlive, 0, 0};
    if (::poll(&hangup, 1, 0) > 0 && (hangup.revents & POLLHUP) != 0)
        ::_exit(125);
}

// Process 1: reaps whatever is orphaned, ends with the lab's own process.
int reapUntil(pid_t worker) {
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, 0);
        if (ended == worker)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (ended < 0 && errno != EINTR)
            return 125;
    }
}

} // namespace

ChildProcess startLab(const std::string& pluginDirectory, const std::function<int(const LabPlace&)>& body) {
    int alive[2];
    checked("pipe", ::pipe2(alive, O_CLOEXEC));
    UniqueFd parentAlive(alive[0]), parentEnd(alive[1]);

    ChildProcess lab = ChildProcess::fork(
        [&] {
            parentEnd.reset();
            dieWithParent(parentAlive.get());
            ::prctl(PR_SET_NAME, "rdmalab-lab");
            checked("unshare the lab's namespaces", ::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC));
            checked("make mounts private", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
            setAdditionalImageMounts(additionalImageMounts(labBase));
            const DetachedMount plugins(pluginDirectory); // it may lie below the place that is covered now
            checked("mount the lab's tmpfs", ::mount("rdmalab", labBase, "tmpfs", MS_NOSUID, "mode=755"));
            LabPlace place{labBase, std::string(labBase) + "/bin"};
            makeDirectories(place.plugins);
            plugins.attach(place.plugins);
            checked("mount proc", ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr));

            const pid_t worker = checked("fork", ::fork());
            if (worker == 0) {
                int code = 125;
                try {
                    code = body(place);
                } catch (const std::exception& error) {
                    const std::string text = std::string("rdmalab: the lab failed: ") + error.what() + "\n";
                    [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
                }
                ::_exit(code);
            }
            // Ctrl-C goes to the whole group: the parent decides what it means, not process 1.
            ::signal(SIGINT, SIG_IGN);
            return reapUntil(worker);
        },
        true);
    // Kept open for the life of this process, without a name: its end is the signal.
    parentEnd.release();
    return lab;
}

} // namespace rdmalab::harness

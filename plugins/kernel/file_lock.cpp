#include "plugins/kernel/file_lock.h"

#include "util/syscall.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>

namespace rdmalab::plugin {

std::optional<FileLock> FileLock::acquire(const std::string& path, unsigned mode, std::chrono::milliseconds patience) {
    using namespace std::chrono_literals;
    UniqueFd fd(checked("open " + path, ::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, mode)));
    const auto deadline = std::chrono::steady_clock::now() + patience;
    // flock(2) knows no timeout, and a signal would belong to the whole process: so it is asked again and again.
    for (auto pause = 1ms; ::flock(fd.get(), LOCK_EX | LOCK_NB) == -1; pause = std::min(pause * 2, 20ms)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            throw SystemError("flock " + path, errno);
        if (std::chrono::steady_clock::now() >= deadline)
            return std::nullopt;
        std::this_thread::sleep_for(pause);
    }
    return FileLock(std::move(fd));
}

} // namespace rdmalab::plugin

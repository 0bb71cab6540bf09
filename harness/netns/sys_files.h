// The files of a node or pod as this process looks at them. What lies in /sys is asked of the machine itself: a process that
// waited for a file system which it serves could not be killed while it waits.
#pragma once

#include "fakesysfs/tree.h"
#include "plugins/kernel/files.h"

#include <functional>

namespace rdmalab::hardware {
class LiveMachine;
}

namespace rdmalab::harness {

class SysFiles final : public plugin::Files {
public:
    // Paths outside /sys are `rest`'s. All must outlive it. `written` is called after each write to /sys, with the machine
    // unlocked.
    SysFiles(hardware::LiveMachine& machine, fakesysfs::View view, plugin::Files& rest, std::function<void()> written = {});
    ~SysFiles() override;

    std::string read(const std::string& path) override;
    std::vector<plugin::DirectoryEntry> list(const std::string& path) override;
    std::string readLink(const std::string& path) override;
    plugin::FileStatus status(const std::string& path) override;
    plugin::FileStatus linkStatus(const std::string& path) override;
    void write(const std::string& path, const std::string& content, unsigned mode) override;
    void writeInPlace(const std::string& path, const std::string& content) override;
    void makeDirectories(const std::string& path, unsigned mode) override;
    void remove(const std::string& path) override;

private:
    // Calls `ask` with whoever answers for that path.
    template <typename Result>
    Result on(const std::string& path, const std::function<Result(plugin::Files&)>& ask);

    hardware::LiveMachine& machine_;
    fakesysfs::Tree tree_; // guarded by the machine's lock
    plugin::Files& rest_;
    std::function<void()> written_;
};

} // namespace rdmalab::harness

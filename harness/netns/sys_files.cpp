#include "harness/netns/sys_files.h"

#include "fakesysfs/tree_files.h"
#include "sim/hardware/live_machine.h"

namespace rdmalab::harness {

using plugin::DirectoryEntry;
using plugin::Files;
using plugin::FileStatus;

SysFiles::SysFiles(hardware::LiveMachine& machine, fakesysfs::View view, Files& rest, std::function<void()> written)
    : machine_(machine), tree_(*machine.lock(), std::move(view)), rest_(rest), written_(std::move(written)) {}

SysFiles::~SysFiles() = default;

namespace {
bool inSys(const std::string& path) {
    return path == "/sys" || path.rfind("/sys/", 0) == 0;
}
} // namespace

template <typename Result>
Result SysFiles::on(const std::string& path, const std::function<Result(Files&)>& ask) {
    if (!inSys(path))
        return ask(rest_);
    const auto access = machine_.lock();
    fakesysfs::TreeFiles files(tree_);
    return ask(files);
}

std::string SysFiles::read(const std::string& path) {
    return on<std::string>(path, [&](Files& files) { return files.read(path); });
}
std::vector<DirectoryEntry> SysFiles::list(const std::string& path) {
    return on<std::vector<DirectoryEntry>>(path, [&](Files& files) { return files.list(path); });
}
std::string SysFiles::readLink(const std::string& path) {
    return on<std::string>(path, [&](Files& files) { return files.readLink(path); });
}
FileStatus SysFiles::status(const std::string& path) {
    return on<FileStatus>(path, [&](Files& files) { return files.status(path); });
}
FileStatus SysFiles::linkStatus(const std::string& path) {
    return on<FileStatus>(path, [&](Files& files) { return files.linkStatus(path); });
}
void SysFiles::write(const std::string& path, const std::string& content, unsigned mode) {
    on<void>(path, [&](Files& files) { files.write(path, content, mode); });
}
void SysFiles::writeInPlace(const std::string& path, const std::string& content) {
    const bool tell = written_ && inSys(path);
    try {
        on<void>(path, [&](Files& files) { files.writeInPlace(path, content); });
    } catch (...) {
        if (tell)
            written_(); // it may have failed half-way
        throw;
    }
    if (tell)
        written_();
}
void SysFiles::makeDirectories(const std::string& path, unsigned mode) {
    on<void>(path, [&](Files& files) { files.makeDirectories(path, mode); });
}
void SysFiles::remove(const std::string& path) {
    on<void>(path, [&](Files& files) { files.remove(path); });
}

} // namespace rdmalab::harness

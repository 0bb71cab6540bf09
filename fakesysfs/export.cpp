#include "fakesysfs/export.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string_view>

namespace rdmalab::fakesysfs {
namespace {

// Any file whose read fails with EINVAL: those of nsfs have no read operation.
constexpr const char* readsEinval = "/proc/self/ns/net";
// Directories of plain files with at least this many entries are tables of counters or GIDs.
constexpr std::size_t tableSize = 8;

class Exporter {
public:
    // `top` is the directory that everything goes into.
    Exporter(const ExportOptions& options, int top) : options_(options), plainUmask_(umaskIsPlain(top)) {}

    void directory(const Directory& source, int target, const std::string& path) {
        const bool table = isTable(source);
        std::map<std::string_view, const std::string*> written; // content -> name of the first file that has it
        for (const auto& [name, node] : source.entries()) {
            switch (node.kind) {
            case NodeKind::directory:
                subdirectory(*node.directory, target, name, path);
                break;
            case NodeKind::file:
                if (node.behaviour && node.behaviour->read) {
                    liveFile(target, name, path, node);
                    break;
                }
                if (table && node.mode == 0444) {
                    const auto [first, isFirst] = written.try_emplace(node.text, &name);
                    if (!isFirst) {
                        link(target, *first->second, name, path);
                        break;
                    }
                }
                file(target, name, path, node.text, node.mode);
                break;
            case NodeKind::symlink:
                symlink(target, name, path, node.text);
                break;
            case NodeKind::unreadable:
                if (node.failsInOpen)
                    file(target, name, path, "", node.mode);
                else
                    unreadable(target, name, path, node.error);
                break;
            case NodeKind::characterDevice:
                ++result_.leftOut;
                break;
            }
        }
    }

    const ExportResult& result() const noexcept { return result_; }

private:
    static bool isTable(const Directory& directory) {
        const auto plain = [](const auto& entry) {
            return entry.second.kind == NodeKind::file || entry.second.kind == NodeKind::unreadable;
        };
        const auto& entries = directory.entries();
        return entries.size() >= tableSize && std::all_of(entries.begin(), entries.end(), plain);
    }

    void unreadable(int target, const std::string& name, const std::string& path, int error) {
        if (error == EINVAL && options_.emulateEinval)
            symlink(target, name, path, readsEinval);
        else
            ++result_.leftOut;
    }

    // Content of this moment.
    void liveFile(int target, const std::string& name, const std::string& path, const Node& node) {
        std::string content;
        try {
            content = node.behaviour->read();
        } catch (const SystemError& error) {
            unreadable(target, name, path, error.code());
            return;
        }
        file(target, name, path, content, node.mode);
    }

    // One call instead of three: half of the tree's files are zeros.
    void link(int target, const std::string& first, const std::string& name, const std::string& path) {
        make(target, name, path, "link", [&] { return linkat(target, first.c_str(), target, name.c_str(), 0); });
        ++result_.files;
    }

    // Does it again after removing what is in the way.
    template <typename Attempt>
    int make(int directory, const std::string& name, const std::string& path, const char* what, Attempt attempt) {
        int made = attempt();
        if (made == -1 && errno == EEXIST) {
            checked("unlink " + path + "/" + name, unlinkat(directory, name.c_str(), 0));
            made = attempt();
        }
        return made == -1 ? checked(std::string(what) + " " + path + "/" + name, made) : made;
    }

    void subdirectory(const Directory& source, int target, const std::string& name, const std::string& path) {
        const std::string own = path + "/" + name;
        if (mkdirat(target, name.c_str(), 0755) == -1 && errno != EEXIST)
            checked("mkdir " + own, -1);
        const UniqueFd fd(checked("open " + own, openat(target, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
        ++result_.directories;
        if (!plainUmask_)
            checked("chmod " + own, fchmod(fd.get(), 0755));
        directory(source, fd.get(), own);
    }

    void file(int target, const std::string& name, const std::string& path, std::string_view content, unsigned mode) {
        const UniqueFd fd(make(target, name, path, "create", [&] {
            return openat(target, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        }));
        ++result_.files;
        while (!content.empty()) {
            const ssize_t written = checked("write " + path + "/" + name, ::write(fd.get(), content.data(), content.size()));
            content.remove_prefix(static_cast<std::size_t>(written));
        }
        // 0444, 0644, 0600 and 0200 pass the usual umask 022 unharmed.
        if (!plainUmask_ || (mode & 022))
            checked("chmod " + path + "/" + name, fchmod(fd.get(), mode));
    }

    void symlink(int target, const std::string& name, const std::string& path, const std::string& to) {
        make(target, name, path, "symlink", [&] { return symlinkat(to.c_str(), target, name.c_str()); });
        ++result_.links;
    }

    // Learnt from a file of our own: umask(2) cannot be read without changing it for all threads.
    static bool umaskIsPlain(int directory) {
        const char* probe = ".umask-probe";
        const UniqueFd fd(
            checked("create the umask probe", openat(directory, probe, O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC, 0644)));
        struct stat status {};
        checked("stat the umask probe", fstat(fd.get(), &status));
        checked("unlink the umask probe", unlinkat(directory, probe, 0));
        return (status.st_mode & 0777) == 0644;
    }

    ExportOptions options_;
    ExportResult result_;
    bool plainUmask_;
};

} // namespace

ExportResult exportTree(const Tree& tree, const std::string& directory, const std::string& treePath,
                        const ExportOptions& options) {
    const Tree::Found found = tree.find(treePath);
    if (!found.node)
        throw SystemError("export " + treePath, found.error);
    if (found.node->kind != NodeKind::directory)
        throw SystemError("export " + treePath, ENOTDIR);
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure)
        throw SystemError("mkdir " + directory, failure.value());
    const UniqueFd fd(checked("open " + directory, open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    Exporter exporter(options, fd.get());
    exporter.directory(found.path == "/" ? tree.root() : *found.node->directory, fd.get(), directory);
    return exporter.result();
}

} // namespace rdmalab::fakesysfs

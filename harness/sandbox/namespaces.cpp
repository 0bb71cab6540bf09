#include "harness/sandbox/namespaces.h"

#include "util/syscall.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <exception>
#include <thread>

namespace rdmalab::harness {

namespace {
UniqueFd openNamespace(const std::string& path) {
    return UniqueFd(checked("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
}

UniqueFd copyOf(const UniqueFd& fd) {
    return fd.valid() ? UniqueFd(checked("dup", ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0))) : UniqueFd();
}

void enterOne(const UniqueFd& fd, int type, const char* what) {
    if (fd.valid())
        checked(std::string("setns ") + what, ::setns(fd.get(), type));
}
} // namespace

Namespaces namespacesOf(pid_t pid) {
    const std::string dir = "/proc/" + std::to_string(pid) + "/ns/";
    return {openNamespace(dir + "net"), openNamespace(dir + "mnt"), openNamespace(dir + "uts"), openNamespace(dir + "ipc"),
            openNamespace(dir + "pid")};
}

Namespaces duplicate(const Namespaces& n) {
    return {copyOf(n.net), copyOf(n.mnt), copyOf(n.uts), copyOf(n.ipc), copyOf(n.pid)};
}

void onOwnThread(const std::function<void()>& work) {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure)
        std::rethrow_exception(failure);
}

void enter(const Namespaces& namespaces) {
    enterOne(namespaces.net, CLONE_NEWNET, "net");
    enterOne(namespaces.uts, CLONE_NEWUTS, "uts");
    enterOne(namespaces.ipc, CLONE_NEWIPC, "ipc");
    enterOne(namespaces.mnt, CLONE_NEWNS, "mnt");
}

void inNamespaces(const Namespaces& namespaces, const std::function<void()>& work) {
    onOwnThread([&] {
        checked("unshare fs", ::unshare(CLONE_FS));
        enter(namespaces);
        work();
    });
}

UniqueFd newNetworkNamespace() {
    UniqueFd result;
    onOwnThread([&] {
        checked("unshare network namespace", ::unshare(CLONE_NEWNET));
        result = currentNamespace("net");
    });
    return result;
}

UniqueFd currentNamespace(const std::string& kind) {
    return openNamespace("/proc/thread-self/ns/" + kind);
}

void bindNamespace(const UniqueFd& ns, const std::string& path) {
    UniqueFd file(checked("create " + path, ::open(path.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0444)));
    const std::string source = "/proc/self/fd/" + std::to_string(ns.get());
    checked("bind namespace to " + path, ::mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr));
}

} // namespace rdmalab::harness

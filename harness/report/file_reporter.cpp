#include "harness/report/file_reporters.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

namespace rdmalab::report {

FileReporter::FileReporter(std::string path, Writer write) : path_(std::move(path)), write_(write) {}

void FileReporter::finish() {
    std::ostringstream out;
    write_(out, record_);
    const std::string text = out.str();
    const std::string fresh = path_ + ".tmp" + std::to_string(::getpid());
    try {
        UniqueFd fd(checked("create " + fresh, ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)));
        for (std::size_t done = 0; done < text.size();)
            done +=
                static_cast<std::size_t>(checked("write " + fresh, ::write(fd.get(), text.data() + done, text.size() - done)));
        checked("close " + fresh, ::close(fd.release()));
        checked("rename " + fresh + " to " + path_, ::rename(fresh.c_str(), path_.c_str()));
    } catch (const SystemError&) {
        ::unlink(fresh.c_str());
        throw;
    }
}

} // namespace rdmalab::report

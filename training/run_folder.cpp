#include "training/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "runtime/storage/atomic_file.h"

namespace softmoe::training {

namespace {

void append_line(storage::WritableFile& file, const std::string& json) {
  const std::string line = json + '\n';
  file.append(storage::bytes_of(line));
}

}  // namespace

RunFolder::RunFolder(storage::FileSystem& files, const storage::Path& path)
    : files_(&files), path_(path) {
  const storage::Path metrics = path / "metrics.jsonl";
  if (files.exists(metrics)) {
    throw ConfigError(
        fmt::format("{} holds another run: name a new folder with run.folder=...", path.string()));
  }
  files.make_directories(path);
  metrics_ = files.open_to_append(metrics);
  events_ = files.open_to_append(path / "events.jsonl");
  control_ = files.open_to_append(path / "control.jsonl");
}

void RunFolder::add_metrics(const std::string& json) {
  append_line(*metrics_, json);
}

void RunFolder::add_event(const std::string& json) {
  append_line(*events_, json);
}

void RunFolder::add_control(const std::string& json) {
  append_line(*control_, json);
}

void RunFolder::write(const std::string& name, const std::string& text) {
  storage::write_file(*files_, path_ / name, storage::bytes_of(text));
}

std::string new_run_name() {
  return fmt::format("runs/{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr)));
}

}  // namespace softmoe::training

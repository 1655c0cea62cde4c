# Stand-ins for the commands of Vivado that our scripts use, run by tclsh in Vivado's place.
#
# Each knows the options and arguments that the command takes in Vivado 2020.1, and what must have
# happened before; anything else is an error, as is a command that is not here. What a command would
# write it writes, plausibly. STANDIN_* in the environment choose versions, slacks and formats.

namespace eval standin {
  variable done {}
  variable calls {}
  variable sources {}

  proc setting {name default} {
    if {[info exists ::env(STANDIN_$name)]} { return $::env(STANDIN_$name) }
    return $default
  }

  # options: name to number of arguments. Gives {options positional}.
  proc parse {name arguments options minimum maximum} {
    variable calls
    lappend calls [list $name {*}$arguments]
    set given {}
    set positional {}
    for {set i 0} {$i < [llength $arguments]} {incr i} {
      set word [lindex $arguments $i]
      if {[string match -* $word] && ![string is double $word]} {
        if {![dict exists $options $word]} { error "ERROR: \[Common 17-170\] Unknown option '$word' of $name" }
        set count [dict get $options $word]
        if {$count == 0} {
          dict set given $word 1
        } else {
          incr i
          if {$i >= [llength $arguments]} { error "ERROR: $name: $word needs a value" }
          dict set given $word [lindex $arguments $i]
        }
      } else {
        lappend positional $word
      }
    }
    if {[llength $positional] < $minimum || [llength $positional] > $maximum} {
      error "ERROR: $name takes $minimum to $maximum arguments, not {$positional}"
    }
    return [list $given $positional]
  }

  proc after_ {name args} {
    variable done
    foreach step $args {
      if {$step ni $done} { error "ERROR: $name before $step" }
    }
  }

  proc finish {step} {
    variable done
    lappend done $step
  }

  proc must_exist {file} {
    if {![file isfile $file]} { error "ERROR: \[Common 17-55\] File '$file' does not exist" }
  }

  proc write {file text} {
    set channel [open $file w]
    puts $channel $text
    close $channel
  }

  # A command that only takes part in the order of things.
  proc step {name options needs} {
    proc ::$name args [format {
      standin::parse %s $args {%s} 0 0
      standin::after_ %s %s
      standin::finish %s
      puts "Phase 1 %s"
    } $name $options $name $needs $name $name]
  }
}

# ---------------------------------------------------------------------- design without a project

proc set_part args {
  lassign [standin::parse set_part $args {-quiet 0 -verbose 0} 1 1] given part
  if {![regexp {^xc7z\d+clg\d+-[123]$} $part]} { error "ERROR: no part {$part}" }
  set ::standin::part $part
  standin::finish part
}

proc read_verilog args {
  lassign [standin::parse read_verilog $args {-sv 0 -library 1 -quiet 0 -verbose 0} 1 1] given files
  foreach file {*}$files {
    standin::must_exist $file
    lappend standin::sources $file
  }
}

proc read_xdc args {
  lassign [standin::parse read_xdc $args {-cells 1 -ref 1 -unmanaged 0 -quiet 0} 1 1] given files
  foreach file {*}$files { standin::must_exist $file; lappend ::standin::constraints $file }
}

proc synth_design args {
  lassign [standin::parse synth_design $args {
    -top 1 -part 1 -directive 1 -flatten_hierarchy 1 -generic 1 -include_dirs 1 -verilog_define 1
    -mode 1 -retiming 0 -shreg_min_size 1
  } 0 0] given
  if {$standin::sources eq {}} { error "ERROR: nothing to synthesise" }
  set top [dict get $given -top]
  if {"$top.sv" ni $standin::sources} { error "ERROR: \[Synth 8-439\] module '$top' not found" }
  if {[info exists standin::part] && [dict get $given -part] ne $standin::part} { error "ERROR: two parts" }
  standin::finish synth_design
  # Constraints are read when there is a design.
  foreach file $standin::constraints { uplevel #0 [list source $file] }
  if {[lsort -unique $standin::leds] ne {0 1 2 3}} { error "ERROR: \[DRC UCIO-1\] Unconstrained ports" }
}

standin::step opt_design {-directive 1 -verbose 0} synth_design
standin::step phys_opt_design {-directive 1 -verbose 0} place_design
standin::step route_design {-directive 1 -verbose 0} place_design

proc place_design args {
  lassign [standin::parse place_design $args {-directive 1 -verbose 0 -timing_summary 0} 0 0] given
  standin::after_ place_design opt_design
  if {[dict exists $given -directive] && [dict get $given -directive] ni {
    Explore WLDrivenBlockPlacement EarlyBlockPlacement ExtraNetDelay_high ExtraNetDelay_low
    AltSpreadLogic_high AltSpreadLogic_medium AltSpreadLogic_low ExtraPostPlacementOpt
    ExtraTimingOpt SSI_SpreadLogic_high SSI_SpreadLogic_low SSI_SpreadSLLs SSI_BalanceSLLs
    SSI_BalanceSLRs SSI_HighUtilSLRs RuntimeOptimized Quick Default
  }} { error "ERROR: \[Common 17-69\] place_design: no directive {[dict get $given -directive]}" }
  standin::finish place_design
  puts "Phase 1 Placer Initialization"
}

proc write_checkpoint args {
  lassign [standin::parse write_checkpoint $args {-force 0 -cell 1 -quiet 0} 1 1] given file
  standin::after_ write_checkpoint synth_design
  standin::write {*}$file checkpoint
}

# ---------------------------------------------------------------------- constraints

set standin::constraints {}
set standin::leds {}
set standin::clocks {}

proc get_ports args {
  lassign [standin::parse get_ports $args {-quiet 0 -filter 1 -of_objects 1} 1 1] given pattern
  set pattern [lindex $pattern 0]
  if {$pattern eq {led_o[*]}} { return {led_o[0] led_o[1] led_o[2] led_o[3]} }
  if {![regexp {^led_o\[[0-3]\]$} $pattern]} { error "WARNING: \[Vivado 12-584\] No ports matched '$pattern'" }
  return [list $pattern]
}

proc get_pins args {
  lassign [standin::parse get_pins $args {-quiet 0 -hierarchical 0 -filter 1 -of_objects 1} 1 1] given pattern
  set pattern [lindex $pattern 0]
  if {$pattern ni {{u_ps7/FCLKCLK[0]} {u_ps7/FCLKRESETN[0]}}} {
    error "WARNING: \[Vivado 12-508\] No pins matched '$pattern'"
  }
  return [list $pattern]
}

proc create_clock args {
  lassign [standin::parse create_clock $args {-period 1 -name 1 -waveform 1 -add 0} 0 1] given pin
  if {![string is double -strict [dict get $given -period]] || [dict get $given -period] <= 0} {
    error "ERROR: create_clock: period"
  }
  lappend standin::clocks [dict get $given -period]
}

proc set_false_path args {
  standin::parse set_false_path $args {-from 1 -to 1 -through 1 -setup 0 -hold 0} 0 0
}

# ---------------------------------------------------------------------- properties

proc current_design args {
  standin::parse current_design $args {-quiet 0} 0 0
  standin::after_ current_design synth_design
  return design_1
}

proc set_property args {
  lassign [standin::parse set_property $args {-dict 1 -quiet 0} 2 3] given words
  lassign $words name value object
  switch -- $name {
    PACKAGE_PIN {
      if {![regexp {^[A-Z]{1,2}\d{1,2}$} $value]} { error "ERROR: site $value" }
      lappend standin::leds [string index [lindex $object 0] end-1]
    }
    IOSTANDARD { if {$value ni {LVCMOS33 LVCMOS25 LVCMOS18}} { error "ERROR: IOSTANDARD $value" } }
    BITSTREAM.GENERAL.COMPRESS {
      if {$object ne "design_1" || $value ni {TRUE FALSE}} { error "ERROR: $name $value of $object" }
      standin::after_ set_property route_design
    }
    top { if {$object ne "sources_1"} { error "ERROR: top of $object" } ; set ::standin::top $value }
    name - version - display_name - description {
      if {$object ne "component_1"} { error "ERROR: $name of $object" }
      if {$name eq "version" && ![regexp {^\d+\.\d+$} $value]} { error "ERROR: version $value" }
      if {$name eq "name" && ![regexp {^\w+$} $value]} { error "ERROR: name $value" }
      dict set ::standin::component $name $value
    }
    default { error "ERROR: \[Common 17-27\] no property $name" }
  }
}

proc get_timing_paths args {
  lassign [standin::parse get_timing_paths $args {
    -setup 0 -hold 0 -max_paths 1 -nworst 1 -from 1 -to 1 -group 1 -quiet 0
  } 0 0] given
  standin::after_ get_timing_paths route_design
  if {$standin::clocks eq {}} { return {} }
  return [expr {[dict exists $given -hold] ? "hold_path" : "setup_path"}]
}

proc get_property args {
  lassign [standin::parse get_property $args {-quiet 0} 2 2] given words
  lassign $words name object
  if {$name ne "SLACK"} { error "ERROR: no property $name" }
  switch -- $object {
    setup_path { return [standin::setting SETUP 0.250] }
    hold_path { return [standin::setting HOLD 0.031] }
    default { error "ERROR: SLACK of $object" }
  }
}

# ---------------------------------------------------------------------- reports, bitstream

proc report_utilization args {
  lassign [standin::parse report_utilization $args {-file 1 -hierarchical 0 -return_string 0} 0 0] given
  standin::after_ report_utilization route_design
  if {[standin::setting VERSION 2020.1] >= 2021.1} {
    set row "| %-24s | %s |     0 |          0 |    %s |  1.00 |"
  } else {
    set row "| %-24s | %s |     0 |    %s |  1.00 |"
  }
  standin::write [dict get $given -file] [join [list \
    "1. Slice Logic" \
    [format $row "Slice LUTs" 2465 53200] \
    [format $row "  LUT as Logic" 2400 53200] \
    [format $row "Slice Registers" 2488 106400] \
    [format $row "  Register as Flip Flop" 2488 106400] \
    [format $row "Block RAM Tile" 3.5 140] \
    [format $row "  RAMB36/FIFO*" 3 140] ] \n]
}

proc report_timing_summary args {
  lassign [standin::parse report_timing_summary $args {-file 1 -max_paths 1 -return_string 0} 0 0] given
  standin::after_ report_timing_summary route_design
  standin::write [dict get $given -file] "Timing"
}

proc report_drc args {
  lassign [standin::parse report_drc $args {-file 1 -ruledecks 1 -return_string 0} 0 0] given
  standin::write [dict get $given -file] "DRC"
}

proc write_bitstream args {
  lassign [standin::parse write_bitstream $args {-force 0 -bin_file 0 -no_binary_bitfile 0} 1 1] given file
  standin::after_ write_bitstream route_design
  set data [binary format H* 00090ff00ff00ff00ff0000001]
  foreach {letter text} [list a "lutlens_zynq7;UserID=0XFFFFFFFF" \
      b [standin::setting PART 7z020clg400] c 2026/11/22 d 12:00:00] {
    append data $letter [binary format S [expr {[string length $text] + 1}]] $text \0
  }
  set stream [binary format H* [string repeat ff 32]aa99556620000000]
  append stream [string repeat \0 1000]
  append data e [binary format I [string length $stream]] $stream
  set channel [open {*}$file w]
  fconfigure $channel -translation binary
  puts -nonewline $channel $data
  close $channel
}

# ---------------------------------------------------------------------- packager

proc create_project args {
  standin::parse create_project $args {-force 0 -part 1 -in_memory 0} 1 2
  file mkdir [lindex $args end-2]
  standin::finish project
}

proc close_project args {
  standin::parse close_project $args {-delete 0} 0 0
  standin::after_ close_project project
}

proc add_files args {
  lassign [standin::parse add_files $args {-norecurse 0 -fileset 1 -scan_for_includes 0} 1 1] given files
  foreach file [lindex $files 0] {
    standin::must_exist $file
    if {[file pathtype $file] ne "absolute"} { error "ERROR: relative $file" }
    lappend standin::sources [file tail $file]
  }
}

proc current_fileset args { standin::parse current_fileset $args {-simset 0 -constrset 0} 0 0; return sources_1 }

proc update_compile_order args {
  standin::parse update_compile_order $args {-fileset 1 -quiet 0} 0 0
  if {"$standin::top.v" ni $standin::sources} { error "ERROR: no top {$standin::top}" }
}

namespace eval ipx {}

proc ipx::package_project args {
  lassign [standin::parse ipx::package_project $args {
    -root_dir 1 -vendor 1 -library 1 -taxonomy 1 -import_files 0 -set_current 1 -force 0 -module 1
  } 0 0] given
  standin::after_ ipx::package_project project
  file mkdir [dict get $given -root_dir]
  set ::standin::root [dict get $given -root_dir]
  # Vivado finds buses by the names of the top's ports.
  set channel [open $standin::top.v]
  set ::standin::text [read $channel]
  close $channel
  standin::finish packaged
}

proc ipx::current_core args {
  standin::parse ipx::current_core $args {-quiet 0} 0 1
  standin::after_ ipx::current_core packaged
  return component_1
}

proc ipx::get_bus_interfaces args {
  lassign [standin::parse ipx::get_bus_interfaces $args {-of_objects 1 -quiet 0 -filter 1} 1 1] given bus
  set bus [lindex $bus 0]
  foreach signal {tdata tvalid tready} {
    if {![regexp "\\m${bus}_$signal\\M" $standin::text]} { return {} }
  }
  # The width of TDATA is whole bytes.
  if {![regexp "\\\[(\\d+):0\\\] ${bus}_tdata" $standin::text - high] || ($high + 1) % 8} { return {} }
  return [list $bus]
}

proc ipx::associate_bus_interfaces args {
  lassign [standin::parse ipx::associate_bus_interfaces $args {
    -busif 1 -clock 1 -reset 1 -clear 0 -remove 0
  } 1 1] given core
  if {$core ne "component_1"} { error "ERROR: core $core" }
  foreach option {-clock -reset} {
    if {[dict exists $given $option] && ![regexp "\\m[dict get $given $option]\\M" $standin::text]} {
      error "ERROR: no port [dict get $given $option]"
    }
  }
}

foreach name {create_xgui_files update_checksums check_integrity save_core} {
  proc ipx::$name args [format {
    standin::parse ipx::%s $args {-quiet 0} 1 1
    standin::after_ ipx::%s packaged
    standin::finish %s
  } $name $name $name]
}

# ---------------------------------------------------------------------- what Vivado is started with

if {$argv eq {-version}} {
  puts "[standin::setting NAME vivado] v[standin::setting VERSION 2020.1] (64-bit)"
  exit 0
}
if {[lrange $argv 0 end-1] ne {-mode batch -nojournal -nolog -notrace -source}} {
  puts "ERROR: \[Common 17-165\] arguments: $argv"
  exit 1
}
if {[standin::setting HANG 0]} { after 60000 }
if {[catch {source [lindex $argv end]} message]} {
  puts $message
  puts "    while running [lindex $argv end]"
  exit 1
}
if {[info exists standin::root] && "save_core" in $standin::done} {
  standin::write $standin::root/component.xml "<spirit:component/> $standin::component"
}
standin::write calls.txt [join $standin::calls \n]
exit 0

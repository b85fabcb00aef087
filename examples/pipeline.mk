# data -> train -> evaluate -> plot and report: what has not changed is not done again.
#
#     make -f examples/pipeline.mk                    every recipe of RECIPES, into runs/pipeline/
#     make -f examples/pipeline.mk -j 2 THREADS=1     two trainings at a time
#     make -f examples/pipeline.mk RECIPES=my.yaml OUT=results EPOCHS=5
#
# A run's summary.json is written last, and only on success: it is what the rest depends on. Which files a run
# has read is written by --depfile, so that a changed table or recipe trains again. A run that was interrupted
# goes on where it stopped; one whose recipe has changed starts afresh. Recipes with a test set of their own, without
# folds and variants: `evaluate` asks one run.

DLKIT   ?= dlkit
RECIPES ?= recipes/mlp-digits.yaml recipes/lenet-digits.yaml
OUT     ?= runs/pipeline
EPOCHS  ?=
THREADS ?=
# Data sets that the recipes name and dlkit fetches, if they are not here yet: SETS="mnist ml-100k"
SETS    ?=

NAMES := $(basename $(notdir $(RECIPES)))
FLAGS := -q $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(THREADS),--threads $(THREADS))

.PHONY: all
.DELETE_ON_ERROR:

all: $(NAMES:%=$(OUT)/%.json) $(OUT)/curves.svg $(OUT)/report.html

# -- data ------------------------------------------------------------------------------------------
$(OUT)/data/%:
	@mkdir -p $(@D)
	$(DLKIT) data path $* || $(DLKIT) data get $*
	@touch $@

# -- train -----------------------------------------------------------------------------------------
# A rule for each recipe. metrics.csv without summary.json, newer than the recipe: it was interrupted.
define training
$(OUT)/$(basename $(notdir $(1)))/summary.json: $(1) | $(SETS:%=$(OUT)/data/%)
	$$(DLKIT) $(shell sed -n 's/^command: *//p' $(1)) $(1) $(FLAGS) -o $$(@D) --depfile $$(@D).d \
	  $$$$([ $$(@D)/metrics.csv -nt $(1) ] && [ ! -e $$@ ] && echo --resume || echo --force)

-include $(OUT)/$(basename $(notdir $(1))).d
endef
$(foreach recipe,$(RECIPES),$(eval $(call training,$(recipe))))

# -- evaluate, plot, report ------------------------------------------------------------------------
$(OUT)/%.json: $(OUT)/%/summary.json
	$(DLKIT) evaluate $(OUT)/$* --json > $@

$(OUT)/curves.svg: $(NAMES:%=$(OUT)/%/summary.json)
	$(DLKIT) plot $(^D) -o $@

$(OUT)/report.html: $(NAMES:%=$(OUT)/%/summary.json)
	$(DLKIT) report $(^D) -o $@
